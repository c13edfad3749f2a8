/**
 * Server-Sent Events (WHATWG HTML, section 9.2) as a stream of bytes.
 *
 * @example
 * ```ts
 * const body = serverSentEvents((signal) => messages({ signal }));
 * return new Response(body, { headers: EVENT_STREAM_HEADERS });
 * ```
 */

/** One message. `data` is sent as it is, line by line. */
export interface ServerSentMessage {
  readonly id?: string;
  readonly event?: string;
  readonly data: string;
}

/** Headers of an event stream; the last one keeps nginx from buffering it. */
export const EVENT_STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
} as const;

/** What opens a source: it gives batches of messages, and ends on its signal. */
export type OpenSource = (signal: AbortSignal) => AsyncIterable<readonly ServerSentMessage[]>;

/** What {@linkcode serverSentEvents} takes. */
export interface ServerSentEventsOptions {
  /** Milliseconds between comments that keep proxies from closing an idle connection; default 15,000. */
  readonly heartbeatMs?: number;
  /** Ends the stream from this side. */
  readonly signal?: AbortSignal | undefined;
  /** Told what the source threw. The stream then ends, and the client comes back with its last event id. */
  readonly onError?: (error: unknown) => void;
}

/** How long {@linkcode prefetch} waits for a source that has nothing to give yet, in milliseconds. */
const PRIME_MS = 50;

/** Line breaks would let a value become a field of its own. */
const LINE_BREAK = /\r\n|\r|\n/;

function stringify(message: ServerSentMessage): string {
  let text = "";
  if (message.id !== undefined) text += `id: ${message.id.replace(/[\r\n\0]/g, "")}\n`;
  if (message.event !== undefined) text += `event: ${message.event.replace(/[\r\n]/g, "")}\n`;
  for (const line of message.data.split(LINE_BREAK)) text += `data: ${line}\n`;
  return `${text}\n`;
}

/**
 * Streams messages as they come. The source is asked for more only when the client has taken what there was
 * (backpressure), and its signal aborts when the client goes or `signal` aborts.
 *
 * @param open gives the batches of messages; a batch is written in one piece
 */
export function serverSentEvents(
  open: OpenSource,
  options: ServerSentEventsOptions = {},
): ReadableStream<Uint8Array> {
  const { heartbeatMs = 15_000, signal, onError = () => {} } = options;
  const encoder = new TextEncoder();
  const abort = new AbortController();
  const stop = () => abort.abort();
  let source: AsyncIterator<readonly ServerSentMessage[]>;
  let heartbeat: ReturnType<typeof setInterval> | undefined;

  function release(): void {
    clearInterval(heartbeat);
    signal?.removeEventListener("abort", stop);
    abort.abort();
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop, { once: true });
      source = open(abort.signal)[Symbol.asyncIterator]();
      heartbeat = setInterval(() => {
        // A client that does not read needs no sign of life.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(":\n\n"));
      }, heartbeatMs);
    },
    async pull(controller) {
      try {
        const { done, value } = await source.next();
        if (!done) return controller.enqueue(encoder.encode(value.map(stringify).join("")));
      } catch (error) {
        if (!abort.signal.aborted) onError(error);
      }
      release();
      // Closing throws if the client has gone in the meantime.
      try {
        controller.close();
      } catch { /* already closed */ }
    },
    cancel() {
      release();
      // Not awaited: a source that waits ends by its signal.
      source.return?.()?.catch(() => {});
    },
  });
}

/**
 * Opens a source before the response has begun, so that what it throws at once can still become a status. A source
 * that only waits is given a moment, in which its beginning may fail, and is taken as it is then.
 *
 * @returns what opens the source that is open already: for one use
 */
export async function prefetch(open: OpenSource): Promise<OpenSource> {
  const abort = new AbortController();
  const source = open(abort.signal)[Symbol.asyncIterator]();
  const first = source.next();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const moment = new Promise((resolve) => timer = setTimeout(resolve, PRIME_MS));
  try {
    await Promise.race([first, moment]);
  } finally {
    clearTimeout(timer);
  }
  async function* rest() {
    for (let next = await first; !next.done; next = await source.next()) yield next.value;
  }
  return (signal) => {
    const stop = () => {
      abort.abort();
      // What is suspended where it gave something does not see its signal.
      source.return?.()?.catch(() => {});
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    return rest();
  };
}
