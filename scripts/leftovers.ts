/**
 * Ends what a script has started when the script ends, for whatever reason: it returns, throws, calls `process.exit`, or
 * is told to stop by Ctrl-C or a signal.
 *
 * @example
 * ```ts
 * const end = () => child.kill("SIGKILL");
 * leftovers.add(end);
 * // once it has ended by itself
 * leftovers.delete(end);
 * ```
 */

let isListening = false;
const ends = new Set<() => void>();
process.on("exit", () => {
  for (const end of [...ends]) end();
});

/** Ways to end what still runs; they are called synchronously, when this process ends. */
export const leftovers = {
  /** Adds one; from the first on, signals end this process by its exit handlers. */
  add(end: () => void): void {
    exitOnSignals();
    ends.add(end);
  },
  delete: (end: () => void): boolean => ends.delete(end),
  has: (end: () => void): boolean => ends.has(end),
};

/** Lets SIGINT (exit code 130), SIGTERM and SIGHUP (143) end this process by its exit handlers. Again: nothing. */
export function exitOnSignals(): void {
  if (isListening) return;
  isListening = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(signal === "SIGINT" ? 130 : 143));
  }
}
