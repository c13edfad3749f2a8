/**
 * The short way over one driver: stores, what they start, and runs that are not yet written.
 */
import type { Test } from "uvu";
import * as assert from "uvu/assert";
import type { Claim } from "../../src/execution/claim.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { UnwrittenRun } from "../../src/execution/short_way.ts";
import type { Store } from "../../src/storage/store.ts";
import { completed, type Driver, type OpenOptions, placedRequestOf } from "./drivers.ts";

/** Opens a store before each test of a suite; all that were opened are closed after it. */
export function shortWayRig(test: Test, driver: Driver, take: (store: Store) => unknown) {
  const stores: Store[] = [];
  let store: Store;
  let opened = 0;

  const open = async (options: OpenOptions = {}): Promise<Store> => {
    const made = await driver.open(`s${++opened}`, options);
    stores.push(made);
    return made;
  };

  test.before.each(async () => {
    store = await open();
    take(store);
  });
  test.after.each(async () => {
    await Promise.all(stores.splice(0).map((store) => store[Symbol.asyncDispose]()));
    await driver.clean();
  });

  const started = async (options: Partial<ExecutionRequest> = {}, through = store): Promise<Claim> => {
    const request = placedRequestOf(through, { replyTo: through.replies.instance, ...options });
    const { executionId, isNew, claim } = await through.shortWay.start(request);
    assert.equal([executionId, isNew], [request.executionId, true]);
    return claim!;
  };

  const runOf = (request: ExecutionRequest, options: Partial<UnwrittenRun> = {}): UnwrittenRun => ({
    ...unwrittenRun(request, store),
    ...options,
  });

  const metaOf = async (id: string, through = store) => (await through.log.meta(id))?.status;
  return { open, started, runOf, metaOf };
}

/** A run of a request that completed, and of which nothing is written. */
export function unwrittenRun({ executionId }: ExecutionRequest, { clock }: Pick<Store, "clock">): UnwrittenRun {
  const time = clock.now();
  const events: LogEvent[] = [
    { type: "execution.started", time, data: { epoch: 1, worker: "w", way: "single-write" } },
    { type: "node.started", time, node: "sum", data: { attempt: 1 } },
    completed("sum", 7),
    { type: "execution.completed", time, data: { lastNode: "sum" } },
  ];
  return { requestedAt: time - 5, events, result: { executionId, status: "completed", output: 7 } };
}
