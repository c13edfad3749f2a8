import { test } from "uvu";
import * as assert from "uvu/assert";
import { executionMessages, type ExecutionMessagesOptions } from "../../../src/http/api/execution_messages.ts";
import type { ExecutionLog } from "../../../src/execution/log.ts";
import type { StoredEvent } from "../../../src/execution/event.ts";
import type { SourceMessage } from "../../../src/http/protocol/message_source.ts";

const LOG = [
  { id: "1-0", type: "execution.requested", time: 1, data: { workflowId: "w", version: 1, trigger: "t", input: null } },
  { id: "2-0", type: "node.started", time: 2, node: "a", data: { attempt: 1 } },
  { id: "3-0", type: "node.completed", time: 3, node: "a", data: { output: 1 } },
  { id: "4-0", type: "execution.completed", time: 4, data: { lastNode: "a" } },
] satisfies StoredEvent[];

/** A log that has some of the events now, gives others live, and loses something in between. */
function logOf(stored: readonly StoredEvent[], live: readonly StoredEvent[], loses = false): ExecutionLog {
  const after = (id: string | undefined) => stored.filter((event) => id === undefined || event.id > id);
  return {
    read: (_id: string, { after: id, limit }: { after?: string; limit?: number }) =>
      Promise.resolve(after(id).slice(0, limit)),
    async *pages(_id: string, { after: id }: { after?: string }) {
      if (after(id).length > 0) yield after(id);
    },
    async *tail(_id: string, { onLoss }: { onLoss?: () => void }) {
      if (loses) onLoss?.();
      yield* live;
    },
  } as unknown as ExecutionLog;
}

async function messages(log: ExecutionLog, options: Partial<ExecutionMessagesOptions> = {}): Promise<SourceMessage[]> {
  const { signal } = new AbortController();
  const all: SourceMessage[] = [];
  for await (const batch of executionMessages(log, "e", { signal, ...options })) all.push(...batch);
  return all;
}

const names = (list: SourceMessage[]) => list.map(({ id, event }) => `${id ?? ""} ${event ?? ""}`);
const gaps = (list: SourceMessage[]) =>
  list.filter(({ event }) => event === "gap").map(({ data }) => JSON.parse(data!));

test("executionMessages() gives what there is, then what happens, each with its id", async () => {
  const all = ["1-0 execution.requested", "2-0 node.started", "3-0 node.completed", "4-0 execution.completed"];
  assert.equal(names(await messages(logOf(LOG.slice(0, 2), LOG.slice(2)))), all);
  assert.equal(names(await messages(logOf(LOG, []), { after: "2-0" })), all.slice(2));
});

test("executionMessages() says what is missing of a log that was trimmed, to whom it is missing", async () => {
  const trimmed = logOf(LOG.slice(2), []);
  assert.equal(gaps(await messages(trimmed)), [{ executionId: "e", before: "3-0" }]);
  assert.equal(gaps(await messages(trimmed, { after: "1-0" })), [{ executionId: "e", after: "1-0", before: "3-0" }]);
  assert.equal(gaps(await messages(trimmed, { after: "3-0" })), []);
});

test("executionMessages() says that events may be missing when the store lost some meanwhile", async () => {
  const lossy = logOf(LOG.slice(0, 2), LOG.slice(3), true);
  assert.equal(gaps(await messages(lossy)), [{ executionId: "e", after: "2-0", before: "4-0" }]);
});

test("executionMessages() names no end of a gap to who is ahead of the log", async () => {
  const shorter = logOf(LOG.slice(0, 2), LOG.slice(2), true);
  assert.equal(gaps(await messages(shorter, { after: "9-0" })), [{ executionId: "e", after: "9-0" }]);
});

test("executionMessages() gives the types and statuses asked for, and where the end is all the same", async () => {
  const log = logOf(LOG.slice(0, 2), LOG.slice(2));
  const types = new Set(["node.started"]);
  assert.equal(names(await messages(log, { filters: { types } })), ["2-0 node.started", "4-0 "]);
  const statuses = new Set(["pending", "completed"] as const);
  assert.equal(names(await messages(log, { filters: { statuses } })), [
    "1-0 execution.requested",
    "4-0 execution.completed",
  ]);
});

test.run();
