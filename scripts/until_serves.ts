/**
 * Waits until an instance serves what was stored at another: it hears of workflows on the control stream, a little later.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Waits until an instance knows the path of a webhook. Throws after `timeoutMs`. */
export async function untilServes(url: string, path: string, { timeoutMs }: { timeoutMs: number }): Promise<void> {
  for (const until = performance.now() + timeoutMs;; await sleep(10)) {
    const response = await fetch(`${url}/webhook/${path}`, { method: "OPTIONS" });
    await response.body?.cancel();
    if (response.status !== 404) return;
    if (performance.now() > until) throw new Error(`${url} does not serve the webhook "${path}"`);
  }
}
