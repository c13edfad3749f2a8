// not quick: waits out leases and delays under wrong clocks
/**
 * What the store promises while the system's clock is wrong, over every driver.
 */
import { suite } from "uvu";
import type { Claim } from "../../src/execution/claim.ts";
import type { Store } from "../../src/storage/store.ts";
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../src/storage/redis/keys.ts";
import { withMovedDate } from "../support/moved_date.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, ending, requestOf, takeClaim } from "./drivers.ts";
import { endsOnce } from "./expectations.ts";

/** More than any lease or wait here. */
const MINUTE_MS = 60_000;

for (const driver of drivers()) {
  const test = suite(`Clocks on ${driver.name}`);
  let store: Store;

  test.before(async () => {
    store = await driver.open("a", { leaseSeconds: 3 });
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });

  if (driver.url !== undefined) {
    test("leases are renewed although the system's clock steps back", async () => {
      const claim = await claimed(store);
      const connection = await RedisConnection.open({ url: driver.url! });
      const partitions = Number(
        await connection.send(["GET", new Keys({ prefix: driver.prefix }).agreed("partitions")]),
      );
      const keys = new Keys({ prefix: driver.prefix, partitions });
      const work = keys.work(keys.partitionOf(claim.executionId));
      const idleMs = async () => {
        const pending = ["XPENDING", work, "workers", claim.entryId, claim.entryId, "1"];
        return Number((await connection.send<[[string, string, number]]>(pending))[0][2]);
      };
      const renewal = async () => {
        let before = 0;
        await eventually(async () => {
          const now = await idleMs();
          if (now < before) return true;
          before = now;
        }, "a renewal");
      };
      await renewal();
      await withMovedDate(-MINUTE_MS, async () => {
        // The first that is seen may have been under way already.
        await renewal();
        await renewal();
      });
      connection.close();
      await store.work.finish(claim, ending(claim));
      await endsOnce(store, claim.executionId);
    });
  }

  test("what is suspended is handed out when its time comes although the system's clock steps back", async () => {
    const claim = await claimed(store);
    await store.work.suspend(claim, { sequence: 1, events: [], delayMs: 1000 });
    await withMovedDate(-MINUTE_MS, async () => {
      const next = await takeClaim(store, claim.executionId);
      await store.work.finish(next, ending(next));
    });
    await endsOnce(store, claim.executionId);
  });

  test.run();
}

/** Requests an execution and takes it. */
async function claimed(store: Store): Promise<Claim> {
  const request = requestOf();
  await store.log.request(request);
  return await takeClaim(store, request.executionId);
}
