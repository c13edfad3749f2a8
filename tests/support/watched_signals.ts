/**
 * Counts what `AbortSignal.any` makes of each signal: Node 20 keeps a note of all of it with the signal, until that aborts.
 *
 * @example
 * ```ts
 * using signals = watchSignals();
 * await work();
 * assert.ok(signals.most <= 2);
 * ```
 */

/** A watch over `AbortSignal.any`. */
export interface WatchedSignals extends Disposable {
  /** How many signals were made of the same one, at most. */
  readonly most: number;
}

/** Watches from now on, until it is disposed of. */
export function watchSignals(): WatchedSignals {
  const { any } = AbortSignal;
  const made = new Map<AbortSignal, number>();
  AbortSignal.any = (signals) => {
    const sources = [...signals];
    for (const source of sources) made.set(source, (made.get(source) ?? 0) + 1);
    return any.call(AbortSignal, sources);
  };
  return {
    get most() {
      return Math.max(0, ...made.values());
    },
    [Symbol.dispose]: () => void (AbortSignal.any = any),
  };
}
