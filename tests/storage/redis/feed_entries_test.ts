/**
 * Entries of the feed read alike in the two forms that they have, and as their parts say.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeFeedEntry, endingOf } from "../../../src/storage/redis/feed_entries.ts";
import { parseEntries } from "../../../src/storage/redis/streams/stream_replies.ts";

const time = fc.integer({ min: 1_600_000_000_000, max: 2_000_000_000_000 });
const parts = fc.record({
  executionId: fc.constantFrom("first", "last", "0199-a"),
  workflowId: fc.constantFrom("types", "ended", "orders"),
  version: fc.integer({ min: 1, max: 1000 }),
  ms: time,
  nth: fc.integer({ min: 0, max: 1000 }),
  types: fc.array(fc.constantFrom("node.started", "node.completed", "execution.completed"), { minLength: 1 }),
  status: fc.constantFrom("completed", "failed", "cancelled"),
  requestedAt: time,
  historyTtlSeconds: fc.integer({ min: 1, max: 1_000_000 }),
});

test("an entry says the same in the form of now and in that of before", () => {
  fc.assert(fc.property(parts, fc.boolean(), fc.boolean(), (parts, isEnd, namesLast) => {
    const { executionId, workflowId, version, ms, nth, types, status, requestedAt, historyTtlSeconds } = parts;
    const [first, last] = [`${ms}-${nth}`, `${ms}-${nth + types.length - 1}`];
    const keptUntil = ms + historyTtlSeconds * 1000;
    const appended = { workflowId, version, types: types.join() };
    const append = isEnd
      ? `${endingOf(appended, { status, requestedAt })} ${historyTtlSeconds}`
      : `${workflowId} ${version} ${types.join()}`;
    const now = ["execution", executionId, "first", first, ...(namesLast ? ["last", last] : []), "append", append];
    const before = ["execution", executionId, "workflow", workflowId, "version", String(version), "first", first];
    before.push("last", last, "types", types.join());
    if (isEnd) {
      before.push("status", status, "requestedAt", String(requestedAt));
      before.push("endedAt", String(ms), "keptUntil", String(keptUntil));
    }
    const [a, b] = [now, before].map((words) => decodeFeedEntry(parseEntries([["1-1", words]])[0]!, 3));
    assert.equal(a, b);
    assert.equal([a!.executionId, a!.workflowId, a!.version], [executionId, workflowId, version]);
    assert.equal([a!.first, a!.last, a!.types, a!.partition], [first, last, types, 3]);
    const ended = { status, requestedAt, endedAt: ms, keptUntil };
    assert.equal(a!.ended, isEnd ? ended : undefined);
  }));
});

test.run();
