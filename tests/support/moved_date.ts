/**
 * Moves `Date` in this process, as a wrong system clock would. `performance.now()` and timers are not affected.
 */

/** Moves `Date` by `ms` milliseconds until `work` has ended. */
export async function withMovedDate<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const real = Date;
  globalThis.Date = class extends real {
    constructor(...args: unknown[]) {
      super(...(args.length === 0 ? [real.now() + ms] : args) as [number]);
    }
    static override now(): number {
      return real.now() + ms;
    }
  } as DateConstructor;
  try {
    return await work();
  } finally {
    globalThis.Date = real;
  }
}
