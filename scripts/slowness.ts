/**
 * Measures how slow this machine is now, so that timeouts end hanging tests, and not slow ones.
 */

/** Duration of the work below on the reference machine, for which the timeouts were set, in milliseconds. */
const REFERENCE_MS = 20;
const MOST = 20;

/** A factor for timeouts: 1 where work takes as long as on a quiet machine of our own, more where it takes longer. */
export function slowness(): number {
  const from = performance.now();
  work();
  return Math.min(MOST, Math.max(1, (performance.now() - from) / REFERENCE_MS));
}

/** Typical work of JavaScript: numbers, strings, objects and garbage collection. */
function work(): number {
  let sum = 0;
  for (let i = 0; i < 30; i++) {
    const items = Array.from({ length: 1000 }, (_, n) => ({ n, text: `item ${n * i}` }));
    for (const { n, text } of JSON.parse(JSON.stringify(items)) as typeof items) sum = (sum * 31 + n + text.length) | 0;
  }
  return sum;
}
