/**
 * WebSockets (RFC 6455) as far as the app knows of them: what accepts one, and messages sent over one. What speaks the
 * protocol is the server's.
 */
import { MessagesError, type OpenSource, type SourceMessage } from "./message_source.ts";

/** An open WebSocket. */
export interface MessageSocket {
  send(text: string): void;
  /** What was sent and has not left yet. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Ends the connection without a word. */
  terminate(): void;
  /** Calls back once, when it is closed from whatever side. */
  onClose(listener: () => void): void;
}

/** What can make a WebSocket of a request. */
export interface Upgrade {
  /** Accepts it: the caller answers with the response that this returns, and gets the socket once it is open. */
  accept(onOpen: (socket: MessageSocket) => void): Response;
}

/** The subprotocol (RFC 6455, section 1.9) that is spoken: a client that offers any must offer this one. */
export const SUBPROTOCOL = "millrace";

/** How often it is looked whether a client takes anything, in milliseconds. */
const LOOK_MS = 50;

/** Status codes of RFC 6455, section 7.4.1. */
const [NORMAL, GOING_AWAY, INTERNAL_ERROR] = [1000, 1001, 1011];

/** What {@linkcode sendMessages} takes. */
export interface SendOptions {
  /** Bytes that may wait for the client. */
  readonly limitBytes: number;
  /** How long a client may take nothing while `limitBytes` wait for it, in milliseconds; default 5,000. */
  readonly stallMs?: number;
  /** Ends the socket from this side. */
  readonly signal?: AbortSignal | undefined;
  /** Told what the source threw, or that the client was cut. */
  readonly onError: (error: unknown) => void;
}

/**
 * Sends messages as they come, each as one JSON text `{"id"?, "event"?, "data"?}`. The source is asked for no more
 * while `limitBytes` wait; a client that takes none of them for `stallMs` is cut. Closes with 1000 when the source
 * ends, with 1001 when `signal` aborts, and with 1011 when the source fails.
 */
export async function sendMessages(socket: MessageSocket, open: OpenSource, options: SendOptions): Promise<void> {
  const { limitBytes, stallMs = 5_000, signal, onError } = options;
  const abort = new AbortController();
  const stop = () => abort.abort();
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  socket.onClose(stop);
  try {
    for await (const batch of open(abort.signal)) {
      for (const message of batch) socket.send(textOf(message));
      if (!await hasRoom(socket, { limitBytes, stallMs, signal: abort.signal })) {
        socket.terminate();
        throw new MessagesError("A follower takes nothing of what waits for it");
      }
      if (abort.signal.aborted) break;
    }
    if (signal?.aborted) socket.close(GOING_AWAY, "The instance is shutting down");
    else socket.close(NORMAL, "The end");
  } catch (error) {
    onError(error);
    socket.close(INTERNAL_ERROR, "Come back with the last id");
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

/** `data` is JSON already. */
function textOf({ id, event, data }: SourceMessage): string {
  const members: string[] = [];
  if (id !== undefined) members.push(`"id":${JSON.stringify(id)}`);
  if (event !== undefined) members.push(`"event":${JSON.stringify(event)}`);
  if (data !== undefined) members.push(`"data":${data}`);
  return `{${members.join()}}`;
}

/** Waits while as much waits as may; false when nothing of it goes away for too long. */
async function hasRoom(
  socket: MessageSocket,
  { limitBytes, stallMs, signal }: { limitBytes: number; stallMs: number; signal: AbortSignal },
): Promise<boolean> {
  let [least, since] = [Infinity, performance.now()];
  while (socket.bufferedBytes >= limitBytes && !signal.aborted) {
    if (socket.bufferedBytes < least) [least, since] = [socket.bufferedBytes, performance.now()];
    if (performance.now() - since >= stallMs) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}
