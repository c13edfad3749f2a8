/**
 * How slow the machine is while a run goes on, so that what comes late because others took the processors is not called
 * a broken promise. Whatever never comes is found all the same, only later.
 *
 * @example
 * ```ts
 * using _ = watchPace();
 * await sleep(60_000);
 * paced(1000); // 1000 on a quiet machine, 4000 on one that takes four times as long
 * ```
 */
import { slowness } from "../slowness.ts";

/** How often it is measured, for how long a measurement counts, and what a timer is set to, in milliseconds. */
const EVERY_MS = 400;
const KEPT_MS = 600_000;
const TIMER_MS = 20;
/** How late a timer is on a machine that takes twice as long for what passes through several processes. */
const LATE_MS = 100;
/** Past it even a hang would hardly be told from a slow answer. */
const MOST = 30;

let measured: { readonly at: number; readonly factor: number }[] = [];

/** Measures until it is disposed of. */
export function watchPace(): Disposable {
  let timer: ReturnType<typeof setTimeout>;
  // What is not compiled yet is slow on any machine.
  for (let i = 0; i < 5; i++) slowness();
  const measure = () => {
    const setAt = performance.now();
    timer = setTimeout(() => {
      const lateMs = performance.now() - setAt - TIMER_MS;
      const now = performance.now();
      const factor = Math.min(MOST, Math.max(1, slowness(), 1 + lateMs / LATE_MS));
      measured = [...measured.filter(({ at }) => now - at < KEPT_MS), { at: now, factor }];
      timer = setTimeout(measure, EVERY_MS);
    }, TIMER_MS);
  };
  measure();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** A time in milliseconds, times how slow the machine has been in the last minute at its slowest. */
export function paced(ms: number): number {
  return Math.ceil(ms * Math.max(1, ...measured.map(({ factor }) => factor)));
}
