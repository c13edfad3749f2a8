/**
 * Values that come at once or by a promise: what comes at once is used at once, without a turn of promises.
 *
 * @example
 * ```ts
 * const total = whenReady(template(scope), (value) => Number(value) * 2); // number | Promise<number>
 * ```
 */

/** Calls `next` with the value, at once or when its promise has it. */
export function whenReady<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
