/**
 * The messages for followers, which Server-Sent Events and WebSockets carry alike.
 */

/** One message. Without `data` it only tells the id to resume after. */
export interface SourceMessage {
  /** The id to resume after once the message has arrived. */
  readonly id?: string;
  readonly event?: string;
  /** JSON text. */
  readonly data?: string;
}

/** Opens a source, which yields batches of messages and ends when its signal aborts. */
export type OpenSource = (signal: AbortSignal) => AsyncIterable<readonly SourceMessage[]>;

/** The error of a follower that was cut. */
export class MessagesError extends Error {
  override readonly name = "MessagesError";
}

/** Longest time that {@linkcode prefetch} waits for the first messages, in milliseconds. */
const PREFETCH_MS = 50;

/**
 * Opens a source before the response has begun, so that an immediate error can still become a status. Waits a moment
 * for its first messages or its failure.
 *
 * @returns a function that returns the opened source, once
 */
export async function prefetch(open: OpenSource): Promise<OpenSource> {
  const abort = new AbortController();
  const source = open(abort.signal)[Symbol.asyncIterator]();
  const first = source.next();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const moment = new Promise((resolve) => timer = setTimeout(resolve, PREFETCH_MS));
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
      // A source that is suspended at a `yield` does not see its signal.
      source.return?.()?.catch(() => {});
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    return rest();
  };
}

/** Closes a source that {@linkcode prefetch} has opened and that nobody will read. */
export function discard(source: OpenSource): void {
  source(AbortSignal.abort());
}
