/**
 * Waiting: for a while, or for a call, and never for longer than a deadline or a signal allows.
 *
 * @example
 * ```ts
 * await pause(200, signal);
 * if (signal.aborted) return;
 * ```
 */

/** The longest that `setTimeout` can wait, in milliseconds; what is longer would fire at once. */
export const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** What ends a {@linkcode waitFor}. */
export interface WaitBounds {
  /** Ends the wait when it aborts; default none. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds, {@linkcode LONGEST_DELAY_MS} at most; without end by default. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Waits until it is called back, its signal aborts, or its time is over; the caller checks which it was. Never
 * rejects.
 *
 * The listener is removed by hand: a signal may live as long as the process, and `AbortSignal.any` keeps what it makes
 * until its sources abort (1.2 KB each, Node 20 and 24).
 *
 * @param enter enters the callback where it will be called, and returns what takes it out again
 */
export async function waitFor(enter: (done: () => void) => () => void, bounds: WaitBounds): Promise<void> {
  const { signal, timeoutMs } = bounds;
  if (signal?.aborted) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let done = () => {};
  let leave = () => {};
  try {
    await new Promise<void>((resolve) => {
      done = resolve;
      if (timeoutMs !== undefined) timer = setTimeout(done, Math.min(timeoutMs, LONGEST_DELAY_MS));
      signal?.addEventListener("abort", done, { once: true });
      leave = enter(done);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    leave();
  }
}

/** Waits until `work` has settled; false where its time is over, or the signal aborts, before. Never rejects. */
export async function settles(work: Promise<unknown>, bounds: WaitBounds): Promise<boolean> {
  let isSettled = false;
  await waitFor((done) => {
    const settle = () => {
      isSettled = true;
      done();
    };
    work.then(settle, settle);
    return () => {};
  }, bounds);
  return isSettled;
}

/** Resolves after `ms` milliseconds, or as soon as the signal aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return waitFor(() => () => {}, { signal, timeoutMs: ms });
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts: then the work goes on unheard. */
export function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work().then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
