/**
 * Server-Sent Events (WHATWG HTML, section 9.2) as a stream of bytes.
 *
 * @example
 * ```ts
 * const body = serverSentEvents((signal) => messages({ signal }));
 * return new Response(body, { headers: EVENT_STREAM_HEADERS });
 * ```
 */
import { MessagesError, type OpenSource, type SourceMessage } from "./message_source.ts";

/** Headers of an event stream; the last one keeps nginx from buffering it. */
export const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
} as const;

/** Options of {@linkcode serverSentEvents}. */
export interface ServerSentEventsOptions {
  /** Milliseconds between comments that keep proxies from closing an idle connection; default 15,000. */
  readonly heartbeatMs?: number;
  /** The `retry` field: milliseconds after which a client reconnects; absent: the client's own default. */
  readonly retryMs?: number;
  /** Bytes that may be buffered for the client; default 262,144. One batch of messages may exceed it. */
  readonly limitBytes?: number;
  /** A client that reads nothing for so long while `limitBytes` are buffered is cut, in milliseconds; default 5,000. */
  readonly stallMs?: number;
  /** Ends the client's connection; absent: the stream errors instead. */
  readonly hangUp?: (() => void) | undefined;
  /** Ends the stream when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the error of the source, or when the client was cut. The client resumes with its last event id. */
  readonly onError?: (error: unknown) => void;
}

/** Line breaks, which end a field, whatever value they are in. */
const LINE_BREAK = /\r\n|\r|\n/;

function stringify({ id, event, data }: SourceMessage): string {
  let text = "";
  if (id !== undefined) text += `id: ${id.replace(/[\r\n\0]/g, "")}\n`;
  if (event !== undefined) text += `event: ${event.replace(/[\r\n]/g, "")}\n`;
  // Without data the client sees no event, but it remembers the id (section 9.2.6).
  if (data !== undefined) { for (const line of data.split(LINE_BREAK)) text += `data: ${line}\n`; }
  return `${text}\n`;
}

/**
 * Streams messages as they come.
 *
 * 1. No further message is requested from the source while `limitBytes` are buffered (backpressure).
 * 2. A client is cut when it reads nothing for `stallMs` while that much is buffered, or nothing from one heartbeat to
 *    the next while anything is buffered. It can reconnect and resume.
 * 3. The source's signal aborts when the client disconnects or is cut, and when `signal` aborts.
 *
 * @param open opens the source of messages; each batch is written as one chunk
 */
export function serverSentEvents(
  open: OpenSource,
  options: ServerSentEventsOptions = {},
): ReadableStream<Uint8Array> {
  const { heartbeatMs = 15_000, limitBytes = 2 ** 18, stallMs = 5_000, retryMs } = options;
  const { hangUp, signal, onError = () => {} } = options;
  const encoder = new TextEncoder();
  const abort = new AbortController();
  const stop = () => abort.abort();
  let source: AsyncIterator<readonly SourceMessage[]>;
  let heartbeat: ReturnType<typeof setInterval> | undefined;
  let writtenBytes = 0;
  /** Resolves the wait for room in the buffer. */
  let wake: (() => void) | undefined;

  function write(controller: ReadableStreamDefaultController, text: string): void {
    const bytes = encoder.encode(text);
    writtenBytes += bytes.byteLength;
    controller.enqueue(bytes);
  }

  /** Bytes that the client has read so far. */
  function takenBytes(controller: ReadableStreamDefaultController): number {
    return writtenBytes - (limitBytes - controller.desiredSize!);
  }

  function release(): void {
    clearInterval(heartbeat);
    signal?.removeEventListener("abort", stop);
    abort.abort();
    wake?.();
  }

  function cut(controller: ReadableStreamDefaultController): void {
    if (abort.signal.aborted) return;
    const error = new MessagesError("A follower takes nothing of what waits for it");
    release();
    if (hangUp === undefined) controller.error(error);
    else hangUp();
    source.return?.()?.catch(() => {});
    onError(error);
  }

  /** Waits until the buffer is below its limit; cuts the client when it reads nothing in that time. */
  async function room(controller: ReadableStreamDefaultController): Promise<void> {
    while (!abort.signal.aborted && controller.desiredSize! <= 0) {
      const before = takenBytes(controller);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const isLate = await new Promise<boolean>((resolve) => {
        wake = () => resolve(false);
        timer = setTimeout(resolve, stallMs, true);
      });
      clearTimeout(timer);
      if (isLate && takenBytes(controller) === before) return cut(controller);
    }
  }

  async function pump(controller: ReadableStreamDefaultController): Promise<void> {
    try {
      for (let next = await source.next(); !next.done && !abort.signal.aborted; next = await source.next()) {
        write(controller, next.value.map(stringify).join(""));
        await room(controller);
      }
    } catch (error) {
      if (!abort.signal.aborted) onError(error);
    }
    release();
    // close() throws if the client has disconnected in the meantime, or was cut.
    try {
      controller.close();
    } catch { /* already closed */ }
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop, { once: true });
      source = open(abort.signal)[Symbol.asyncIterator]();
      if (retryMs !== undefined) write(controller, `retry: ${Math.round(retryMs)}\n\n`);
      let before = -1;
      heartbeat = setInterval(() => {
        const taken = takenBytes(controller);
        if (taken === writtenBytes) write(controller, ":\n\n");
        else if (taken === before) cut(controller);
        before = taken;
      }, heartbeatMs);
      void pump(controller);
    },
    pull() {
      wake?.();
    },
    cancel() {
      release();
      // Not awaited: a waiting source is ended by its signal.
      source.return?.()?.catch(() => {});
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: limitBytes }));
}
