/**
 * Measures how long it takes from the release of a lock on one instance to its grant on another, who waits for it.
 */
import type { Store } from "../../src/storage/store.ts";

/** Milliseconds of each handover, sorted. */
export async function measureHandovers(
  [a, b]: readonly [Store, Store],
  { count }: { count: number },
): Promise<number[]> {
  const request = { name: "handover", mode: "exclusive", ttlMs: 60_000, waitMs: 60_000 } as const;
  const take = (store: Store, owner: string) => store.locks.acquire({ ...request, owner });
  const times: number[] = [];
  let [holder, waiter] = [a, b];
  let held = (await take(holder, "holder"))!;
  for (let n = 0; n < count; n++) {
    let grantedAt = 0;
    const waiting = take(waiter, "waiter").then((grant) => {
      grantedAt = performance.now();
      return grant!;
    });
    while ((await holder.locks.inspect(request.name)).waiting === 0);
    const releasedAt = performance.now();
    await holder.locks.release(request.name, held.token);
    held = await waiting;
    times.push(grantedAt - releasedAt);
    [holder, waiter] = [waiter, holder];
  }
  await holder.locks.release(request.name, held.token);
  return times.sort((x, y) => x - y);
}
