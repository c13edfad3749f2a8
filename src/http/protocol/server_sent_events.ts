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

/** What {@linkcode serverSentEvents} takes. */
export interface ServerSentEventsOptions {
  /** Milliseconds between comments that keep proxies from closing an idle connection; default 15,000. */
  readonly heartbeatMs?: number;
  /** Milliseconds after which a client whose connection is lost comes back; unset: as the client has it. */
  readonly retryMs?: number;
  /** Bytes that may wait for the client; default 262,144. One batch of messages always may. */
  readonly limitBytes?: number;
  /** How long a client may take nothing while `limitBytes` wait for it, in milliseconds; default 5,000. */
  readonly stallMs?: number;
  /** Ends the client's connection; where it is not there the stream fails instead. */
  readonly hangUp?: (() => void) | undefined;
  /** Ends the stream from this side. */
  readonly signal?: AbortSignal | undefined;
  /** Told what the source threw, or that the client was cut. It comes back with its last event id. */
  readonly onError?: (error: unknown) => void;
}

/** Line breaks would let a value become a field of its own. */
const LINE_BREAK = /\r\n|\r|\n/;

function stringify({ id, event, data }: SourceMessage): string {
  let text = "";
  if (id !== undefined) text += `id: ${id.replace(/[\r\n\0]/g, "")}\n`;
  if (event !== undefined) text += `event: ${event.replace(/[\r\n]/g, "")}\n`;
  // Without data there is no event, and the id counts all the same (section 9.2.6).
  if (data !== undefined) { for (const line of data.split(LINE_BREAK)) text += `data: ${line}\n`; }
  return `${text}\n`;
}

/**
 * Streams messages as they come.
 *
 * 1. The source is asked for no more while `limitBytes` wait for the client (backpressure).
 * 2. A client for which that much waits and that takes none of it for `stallMs` is cut, and so is one that takes
 *    nothing at all from one heartbeat to the next while something waits: it may come back where it was.
 * 3. The source's signal aborts when the client goes or is cut, and when `signal` aborts.
 *
 * @param open gives the batches of messages; a batch is written in one piece
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
  /** Wakes who waits until there is room again. */
  let wake: (() => void) | undefined;

  function write(controller: ReadableStreamDefaultController, text: string): void {
    const bytes = encoder.encode(text);
    writtenBytes += bytes.byteLength;
    controller.enqueue(bytes);
  }

  /** How much the client has taken so far. */
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

  /** Waits while as much waits for the client as may, and cuts it when it takes nothing of that. */
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
    // Closing throws if the client has gone in the meantime, or was cut.
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
      // Not awaited: a source that waits ends by its signal.
      source.return?.()?.catch(() => {});
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: limitBytes }));
}
