/**
 * What only a clock of the test's own shows of sessions and mailboxes in memory: when they end, and that they give back
 * what they took.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BOX_TTL_MS } from "../../../src/sessions/mailbox.ts";
import { MemoryBudget } from "../../../src/storage/memory/memory_budget.ts";
import { MemoryMailboxes } from "../../../src/storage/memory/mailboxes.ts";
import { MemorySessionStore } from "../../../src/storage/memory/session_store.ts";
import { refuses } from "../expectations.ts";

const COMMANDS = { box: "commands", id: "alice" } as const;

test("a session ends its time to live after its last use, and gives its bytes back", async () => {
  let now = 1_000_000;
  const budget = new MemoryBudget({ limitBytes: 10_000 });
  const store = new MemorySessionStore({ budget, now: () => now });
  await store.write("alice", { json: '"x"', ttlMs: 1000, sealed: "" }, undefined);
  now += 999;
  assert.is((await store.read("alice"))?.expiresAt, now + 1000);
  now += 999;
  assert.ok(await store.read("alice"));
  now += 1000;
  assert.is(await store.read("alice"), undefined);
  assert.is(budget.used, 0);
  const again = await store.write("alice", { json: "1", ttlMs: 1000, sealed: "" }, "none");
  assert.ok(again.kind === "done" && again.value.created);
});

test("what has no room is refused until something has ended, and written over it takes its own room only", async () => {
  const now = 1_000_000;
  const budget = new MemoryBudget({ limitBytes: 6000 });
  const store = new MemorySessionStore({ budget, now: () => now });
  const write = { json: JSON.stringify("x".repeat(1000)), ttlMs: 1000, sealed: "" };
  await store.write("a", write, undefined);
  for (let n = 0; n < 5; n++) await store.write("a", write, undefined);
  await refuses(
    () => store.write("b", { ...write, json: JSON.stringify("x".repeat(3000)) }, undefined),
    "storage_full",
  );
  assert.ok(await store.read("a"));
  const used = budget.used;
  await store.write("b", write, undefined);
  await store.delete("b", undefined);
  assert.is(budget.used, used);
});

test("entries of a box end their time to live after they were posted", async () => {
  let now = 1_000_000;
  const budget = new MemoryBudget({ limitBytes: 10_000 });
  const mailboxes = new MemoryMailboxes({ budget, entries: 10, bytes: 1000, now: () => now });
  await mailboxes.post(COMMANDS, "1");
  now += BOX_TTL_MS.commands - 1;
  await mailboxes.post(COMMANDS, "2");
  assert.is((await mailboxes.read(COMMANDS, { limit: 10 })).length, 2);
  now += 1;
  const [left] = await mailboxes.read(COMMANDS, { limit: 10 });
  assert.is(left!.json, "2");
  now += BOX_TTL_MS.commands;
  assert.equal(await mailboxes.read(COMMANDS, { limit: 10 }), []);
  assert.is(budget.used, 0);
});

test.run();
