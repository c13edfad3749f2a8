/**
 * WebSockets (RFC 6455) as the app sees them: accepting one, and sending messages. The protocol itself is implemented
 * by the server.
 */
import { MessagesError, type OpenSource, type SourceMessage } from "./message_source.ts";

/** An open WebSocket. */
export interface MessageSocket {
  send(text: string): void;
  /** Bytes that were sent and are still buffered. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Ends the connection without a closing handshake. */
  terminate(): void;
  /** Calls back once, when either side has closed it. */
  onClose(listener: () => void): void;
}

/** Upgrades a request to a WebSocket. */
export interface Upgrade {
  /**
   * Accepts the upgrade. The handler answers with the response returned, and is called back in any case: with the
   * socket once it is open, or by `onFailure` when it will not be, since the handshake is refused or the client is gone.
   */
  accept(onOpen: (socket: MessageSocket) => void, onFailure: () => void): Response;
}

/** The subprotocol (RFC 6455, section 1.9): a client that offers any must offer this one. */
export const SUBPROTOCOL = "millrace";

/** Interval at which the buffer of a stalled client is checked, in milliseconds. */
const LOOK_MS = 50;

/** Status codes of RFC 6455, section 7.4.1. */
const [NORMAL, GOING_AWAY, INTERNAL_ERROR] = [1000, 1001, 1011];

/** Options of {@linkcode sendMessages}. */
export interface SendOptions {
  /** Bytes that may be buffered for the client. */
  readonly limitBytes: number;
  /** A client that reads nothing for so long while `limitBytes` are buffered is cut, in milliseconds; default 5,000. */
  readonly stallMs?: number;
  /** Closes the socket when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the error of the source, or when the client was cut. */
  readonly onError: (error: unknown) => void;
}

/**
 * Sends messages as they come, each as one JSON text `{"id"?, "event"?, "data"?}`. No further message is requested from
 * the source while `limitBytes` are buffered, and a client that reads none of them for `stallMs` is cut. Closes with
 * 1000 when the source ends, with 1001 when `signal` aborts, and with 1011 when the source fails.
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

/** The JSON of a message; its `data` is already JSON text. */
function textOf({ id, event, data }: SourceMessage): string {
  const members: string[] = [];
  if (id !== undefined) members.push(`"id":${JSON.stringify(id)}`);
  if (event !== undefined) members.push(`"event":${JSON.stringify(event)}`);
  if (data !== undefined) members.push(`"data":${data}`);
  return `{${members.join()}}`;
}

/** Waits until the buffer is below its limit; false when it has not shrunk for `stallMs`. */
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
