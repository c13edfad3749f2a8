/**
 * How slow this machine is now, so that what ends a hanging test ends no slow one.
 */

/** How long the work below takes on the machine on which the timeouts were set, while nothing else runs. */
const REFERENCE_MS = 20;
const MOST = 20;

/** A factor for timeouts: 1 where work takes as long as on a quiet machine of our own, more where it takes longer. */
export function slowness(): number {
  const from = performance.now();
  work();
  return Math.min(MOST, Math.max(1, (performance.now() - from) / REFERENCE_MS));
}

/** What JavaScript is slow at where a machine is: numbers, strings, objects and their collection. */
function work(): number {
  let sum = 0;
  for (let i = 0; i < 30; i++) {
    const items = Array.from({ length: 1000 }, (_, n) => ({ n, text: `item ${n * i}` }));
    for (const { n, text } of JSON.parse(JSON.stringify(items)) as typeof items) sum = (sum * 31 + n + text.length) | 0;
  }
  return sum;
}
