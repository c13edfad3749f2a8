/**
 * Preloaded into an instance whose system clock is to be wrong: `Date` is off by `MILLRACE_CLOCK_SKEW_MS` from the
 * start, and steps to `MILLRACE_CLOCK_STEP_MS` and back on each SIGWINCH (of no other use without a terminal; SIGUSR2
 * collects garbage, see `collect.ts`). `performance.now()` and timers go on as they were, as they do on a machine
 * whose clock somebody sets.
 *
 * @example
 * ```sh
 * MILLRACE_CLOCK_SKEW_MS=6000 MILLRACE_CLOCK_STEP_MS=-60000 \
 *   node --import tsx --import ./scripts/chaos/clock_skew.ts src/main.ts
 * ```
 */
const skewMs = milliseconds("MILLRACE_CLOCK_SKEW_MS");
const stepMs = milliseconds("MILLRACE_CLOCK_STEP_MS");
let offMs = skewMs;

const Real = Date;
const now = () => Real.now() + offMs;
globalThis.Date = new Proxy(Real, {
  // `Date()` without `new` is the text of now.
  apply: () => new Real(now()).toString(),
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, name) => name === "now" ? now : Reflect.get(target, name),
});

process.on("SIGWINCH", () => offMs = offMs === skewMs ? stepMs : skewMs);

function milliseconds(name: string): number {
  const value = Number(process.env[name] ?? 0);
  if (Number.isFinite(value)) return value;
  throw new Error(`${name} is "${process.env[name]}": it must be a number of milliseconds`);
}
