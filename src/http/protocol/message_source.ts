/**
 * What followers are sent, however it travels: Server-Sent Events and WebSockets carry the same messages.
 */

/** One message. Without `data` it only says from where to go on. */
export interface SourceMessage {
  /** Where the follower is once it has the message. */
  readonly id?: string;
  readonly event?: string;
  /** JSON. */
  readonly data?: string;
}

/** What opens a source: it gives batches of messages, and ends on its signal. */
export type OpenSource = (signal: AbortSignal) => AsyncIterable<readonly SourceMessage[]>;

/** Why a follower was cut. */
export class MessagesError extends Error {
  override readonly name = "MessagesError";
}

/** How long {@linkcode prefetch} waits for a source that has nothing to give yet, in milliseconds. */
const PREFETCH_MS = 50;

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
      // What is suspended where it gave something does not see its signal.
      source.return?.()?.catch(() => {});
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    return rest();
  };
}
