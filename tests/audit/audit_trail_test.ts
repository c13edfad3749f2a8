import { test } from "uvu";
import * as assert from "uvu/assert";
import type { AuditBatch, AuditRecord } from "../../src/audit/audit_log.ts";
import { AuditTrail } from "../../src/audit/audit_trail.ts";
import { eventually } from "../support/eventually.ts";

/** A log that the test lets answer: what is appended waits until then. */
function heldLog() {
  const batches: AuditBatch[] = [];
  const answers: { resolve: () => void; reject: (error: Error) => void }[] = [];
  return {
    batches,
    append: (batch: AuditBatch) => {
      batches.push(batch);
      return new Promise<void>((resolve, reject) => answers.push({ resolve, reject }));
    },
    answer: async () => (await eventually(() => answers.shift(), "it was asked")).resolve(),
    refuse: async () => (await eventually(() => answers.shift(), "it was asked")).reject(new Error("away")),
  };
}

function recordOf(requestId: string): Omit<AuditRecord, "at"> {
  return { token: "ci", method: "PUT", route: "/api/workflows/:id", what: {}, status: 200, requestId };
}

const idsOf = ({ records }: AuditBatch) => records.map(({ requestId }) => requestId);

test("record() does not wait, and what comes meanwhile goes together, in order", async () => {
  const log = heldLog();
  let now = 5;
  const trail = new AuditTrail({ log, now: () => now++ });
  trail.record(recordOf("1"));
  trail.record(recordOf("2"));
  assert.equal(log.batches, []);
  await eventually(() => log.batches.length === 1, "the first batch");
  trail.record(recordOf("3"));
  trail.record(recordOf("4"));
  await log.answer();
  await eventually(() => log.batches.length === 2, "the second batch");
  assert.equal(log.batches.map(idsOf), [["1", "2"], ["3", "4"]]);
  assert.equal(log.batches.map(({ number }) => number), [1, 2]);
  assert.equal(log.batches.flatMap(({ records }) => records.map(({ at }) => at)), [5, 6, 7, 8]);
  await log.answer();
  await trail[Symbol.asyncDispose]();
  assert.is(new Set(log.batches.map(({ writer }) => writer)).size, 1);
});

test("a batch without an answer is sent again as it was, until it has one", async () => {
  const log = heldLog();
  const errors: unknown[] = [];
  const trail = new AuditTrail({ log, now: () => 0, onError: (error) => errors.push(error) });
  trail.record(recordOf("1"));
  await log.refuse();
  trail.record(recordOf("2"));
  await log.refuse();
  await log.answer();
  await log.answer();
  await trail[Symbol.asyncDispose]();
  assert.equal(log.batches.map(idsOf), [["1"], ["1"], ["1"], ["2"]]);
  assert.equal(log.batches.map(({ number }) => number), [1, 1, 1, 2]);
  assert.is(errors.length, 1);
});

test("an orderly end writes what waits", async () => {
  const log = heldLog();
  const trail = new AuditTrail({ log, now: () => 0, endMs: 600_000 });
  trail.record(recordOf("1"));
  const ended = trail[Symbol.asyncDispose]();
  await log.answer();
  await ended;
  assert.equal(log.batches.map(idsOf), [["1"]]);
});

test("an end does not wait for ever, and says what was lost; so does a store that is away for too long", async () => {
  const log = heldLog();
  const errors: unknown[] = [];
  const trail = new AuditTrail({
    log,
    now: () => 0,
    endMs: 1,
    mostWaiting: 3,
    onError: (error) => errors.push((error as Error).message),
  });
  for (let n = 0; n < 5; n++) trail.record(recordOf(String(n)));
  await trail[Symbol.asyncDispose]();
  assert.equal(errors, [
    "The audit begins to lose records: 3 wait for the store",
    "The audit lost 5 records",
  ]);
});

test.run();
