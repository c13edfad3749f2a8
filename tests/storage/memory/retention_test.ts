/**
 * What the memory driver keeps, in bytes: the oldest ended executions go first, what runs stays, and what does not fit
 * is refused.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ERROR_STATUS } from "../../../src/http/protocol/error_status.ts";
import { AppendRefusedError } from "../../../src/lib/errors.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import type { Claim } from "../../../src/execution/claim.ts";
import type { Store } from "../../../src/storage/store.ts";
import { completed, ending, placedRequestOf, requestOf, takeClaim } from "../drivers.ts";
import { hasRetryAfter, refuses, rejects } from "../expectations.ts";

const KB = 1024;
const open = (retentionBytes = 1024 * KB) => createMemoryStore({ instance: "a", retentionBytes, maxDeliveries: 1 });

async function run(store: Store, options: Parameters<typeof requestOf>[0] = {}): Promise<string> {
  const request = requestOf({ input: "x".repeat(100 * KB), ...options });
  await store.log.request(request);
  const claim = await takeClaim(store, request.executionId);
  await store.work.finish(claim, ending(claim));
  return request.executionId;
}

test("the executions that ended first are forgotten, as when they had expired", async () => {
  await using store = open();
  const ids: string[] = [];
  for (let n = 0; n < 30; n++) ids.push(await run(store));
  const kept: boolean[] = [];
  for (const id of ids) {
    const [meta, events, result] = [await store.log.meta(id), await store.log.read(id), await store.log.result(id)];
    assert.equal([meta !== undefined, events.length === 2], [result !== undefined, result !== undefined]);
    kept.push(result !== undefined);
  }
  assert.equal(kept, [...kept].sort());
  const count = kept.filter(Boolean).length;
  assert.ok(count >= 8 && count <= 10, `${count} of 100 KB are kept in 1 MB`);
});

test("a result counts as well as a log", async () => {
  await using store = open();
  const ids: string[] = [];
  for (let n = 0; n < 30; n++) {
    const request = requestOf();
    await store.log.request(request);
    const claim = await takeClaim(store, request.executionId);
    const result = { executionId: claim.executionId, status: "completed" as const, output: "x".repeat(100 * KB) };
    await store.work.finish(claim, ending(claim, { result }));
    ids.push(claim.executionId);
  }
  const kept = await Promise.all(ids.map((id) => store.log.result(id)));
  assert.ok(kept.filter((result) => result !== undefined).length <= 10);
  assert.ok(kept.at(-1) !== undefined);
});

test("request() refuses what does not fit beside what runs, until that has ended", async () => {
  await using store = open();
  const running: Claim[] = [];
  const more = async () => {
    const request = requestOf({ input: "x".repeat(100 * KB) });
    await store.log.request(request);
    running.push(await takeClaim(store, request.executionId));
  };
  const error = await refuses(async () => {
    for (let n = 0; n < 30; n++) await more();
  }, "storage_full");
  hasRetryAfter(error);
  assert.is(ERROR_STATUS[error.code], 503);
  assert.ok(running.length >= 4, `${running.length} were accepted`);
  for (const claim of running) assert.is((await store.log.read(claim.executionId)).length, 1);
  const [first] = running;
  await store.work.finish(first!, ending(first!));
  await more();
  assert.is(await store.log.meta(first!.executionId), undefined);
});

test("append() refuses what runs to grow past all there is, and takes its end", async () => {
  await using store = open();
  const request = requestOf();
  await store.log.request(request);
  const claim = await takeClaim(store, request.executionId);
  let { sequence } = claim;
  await rejects(async () => {
    for (;;) {
      const events = [completed(`n${sequence}`, "x".repeat(100 * KB))];
      await store.work.append(claim, { sequence, events });
      sequence++;
    }
  }, AppendRefusedError);
  assert.ok(sequence >= 9, `${sequence} events were appended`);
  const event = { type: "execution.failed" as const, time: 1, data: { error: { code: "x", message: "x" } } };
  await store.work.finish(claim, ending(claim, { sequence, events: [event] }));
});

test("a key outlives its execution that was forgotten, so nothing starts twice", async () => {
  await using store = open();
  const idempotency = { key: "k", fingerprint: "f", ttlSeconds: 60 };
  const request = placedRequestOf(store, { idempotency });
  const first = await run(store, request);
  for (let n = 0; n < 30; n++) await run(store);
  assert.is(await store.log.result(first), undefined);
  assert.equal(await store.log.request(placedRequestOf(store, { idempotency })), { executionId: first, isNew: false });
});

test("dead letters keep their input when their executions are forgotten, and go last", async () => {
  await using store = open();
  const bury = async () => {
    const request = requestOf({ input: "x".repeat(200 * KB) });
    await store.log.request(request);
    store.work.release(await takeClaim(store, request.executionId));
    return request;
  };
  const first = await bury();
  for (let n = 0; n < 30; n++) await run(store);
  assert.is(await store.log.meta(first.executionId), undefined);
  assert.equal((await store.deadLetters.get(first.executionId))?.input, first.input);
  const others: string[] = [];
  for (let n = 0; n < 9; n++) others.push((await bury()).executionId);
  assert.is(await store.deadLetters.get(first.executionId), undefined);
  assert.ok(await store.deadLetters.get(others.at(-1)!));
});

test("whatever is requested, run and ended, all that is kept fits, and what runs is whole", async () => {
  const step = fc.record({
    what: fc.constantFrom("request", "append", "finish", "cancel", "release"),
    which: fc.nat(20),
    size: fc.nat(300 * KB),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const limit = 1024 * KB;
      await using store = open(limit);
      const running: { claim: Claim; sizes: number[] }[] = [];
      const all = new Set<string>();
      for (const { what, which, size } of steps) {
        const value = "x".repeat(size);
        const at = running.length === 0 ? 0 : which % running.length;
        const one = running[at];
        try {
          if (what === "request") {
            const request = requestOf({ input: value });
            await store.log.request(request);
            all.add(request.executionId);
            running.push({ claim: await takeClaim(store, request.executionId), sizes: [size] });
          } else if (one === undefined) continue;
          else if (what === "append") {
            const { claim, sizes } = one;
            await store.work.append(claim, { sequence: sizes.length, events: [completed(`n${sizes.length}`, value)] });
            sizes.push(size);
          } else {
            running.splice(at, 1);
            if (what === "cancel") await store.log.cancel(one.claim.executionId);
            else if (what === "release") store.work.release(one.claim);
            else await store.work.finish(one.claim, ending(one.claim, { sequence: one.sizes.length }));
          }
        } catch (error) {
          const { code } = error as { code: string };
          if (code !== "storage_full") throw error;
        }
      }
      for (const { claim, sizes } of running) {
        const events = await store.log.read(claim.executionId);
        assert.equal(events.map(({ data }) => String(Object.values(data as object).at(-1)).length), sizes);
      }
      let bytes = 0;
      for (const id of all) for (const event of await store.log.read(id)) bytes += JSON.stringify(event.data).length;
      assert.ok(bytes <= limit, `${bytes} bytes are kept`);
    }),
    { numRuns: 40 },
  );
});

test.run();
