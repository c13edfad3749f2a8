/**
 * A system clock that is wrong: moves what `Date` says in this process, as an operator, a bad time server or a resumed
 * machine does. `performance.now()` goes on as it was, and so do timers.
 */

/** Moves `Date` by so many milliseconds for as long as the work takes. */
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
