/**
 * Waits for a condition. The timeout is long enough to be reached only if the condition never holds, however slow the
 * machine is.
 */

/** Longest wait of a test for what must come, in milliseconds; shorter in runs that are expected to fail. */
export const WAIT_LIMIT_MS = Number(process.env.TEST_WAIT_LIMIT_MS ?? 120_000);

/** Waits until `check` gives a value, and resolves with it. Throws after `timeoutMs`, two minutes by default. */
export async function eventually<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  { timeoutMs = WAIT_LIMIT_MS }: { timeoutMs?: number } = {},
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > until) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
