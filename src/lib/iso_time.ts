/**
 * Times as people write them.
 *
 * @example
 * ```ts
 * parseIsoTime("2026-11-26T12:00:00.250Z"); // 1795694400250
 * ```
 */

/** Of ISO 8601 what JavaScript's own format has (ECMA-262, 21.4.1.32), and an offset; a date alone is its midnight, UTC. */
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;

/** An ISO 8601 time as epoch milliseconds; `undefined` for what is none. */
export function parseIsoTime(text: string): number | undefined {
  const time = ISO_TIME.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : time;
}
