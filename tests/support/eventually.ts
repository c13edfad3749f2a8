/**
 * Waiting for what must come true, with a bound that only what never comes reaches: no test judges how fast a machine is.
 */

/** A run that is meant to fail has less patience. */
const PATIENCE_MS = Number(process.env.TEST_PATIENCE_MS ?? 60_000);

/** Waits until `check` gives a value, and resolves with it; throws after `timeoutMs`, a minute by default. */
export async function eventually<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  { timeoutMs = PATIENCE_MS }: { timeoutMs?: number } = {},
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > until) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
