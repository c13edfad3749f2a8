/**
 * The journal over a queue that the test controls: appends never overlap, and nothing is written twice or too early.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Journal } from "../../src/engine/journal.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { WorkQueue } from "../../src/execution/work_queue.ts";

const test = suite("Journal");
const claim = { executionId: "x", sequence: 1 } as Claim;
const done = (node: string): LogEvent => ({ type: "node.completed", time: 0, node, data: { output: node } });
const last: LogEvent = { type: "execution.completed", time: 0, data: { lastNode: "b" } };

test("finish() is the one to write the terminal event, though a flush waits for its turn before it", async () => {
  const { journal, written, answer } = makeJournal();
  journal.add(done("a"));
  const first = journal.flush();
  journal.add(done("b"));
  const second = journal.flush();
  const finished = journal.finish(last, { executionId: "x", status: "completed" });
  await answer();
  await answer();
  await answer();
  await Promise.all([first, second, finished]);
  assert.equal(written, ["append 1: a", "append 2: b", "finish 3: execution.completed"]);
});

test("flush() of events that came while another append was under way names the number after it", async () => {
  const { journal, written, answer } = makeJournal();
  journal.add(done("a"));
  journal.add(done("b"));
  const first = journal.flush();
  journal.add(done("c"));
  const second = journal.flush();
  await answer();
  await answer();
  await Promise.all([first, second]);
  assert.equal(written, ["append 1: a,b", "append 3: c"]);
});

test("a reply goes out with its event, whichever flush takes that, and before a suspend", async () => {
  const { journal, written, answer } = makeJournal();
  const reply = { executionId: "x", status: "responded" } as const;
  journal.add(done("a"));
  const flushed = journal.flush();
  journal.add(done("b"), reply);
  const [second, third] = [journal.flush(), journal.flush()];
  for (let n = 0; n < 2; n++) await answer();
  await Promise.all([flushed, second, third]);
  journal.add(done("c"), reply);
  const suspended = journal.suspend({ delayMs: 1, forPause: false });
  for (let n = 0; n < 2; n++) await answer();
  await suspended;
  assert.equal(written, ["append 1: a", "append 2: b and a reply", "append 3: c and a reply", "suspend 4: "]);
});

test("suspend() keeps its events when the execution was resumed instead", async () => {
  const { journal, written, answer } = makeJournal({ suspended: "resumed" });
  journal.add(done("a"));
  const suspended = journal.suspend({ delayMs: 1, forPause: true });
  await answer();
  assert.is(await suspended, "resumed");
  const flushed = journal.flush();
  await answer();
  await flushed;
  assert.equal(written, ["suspend 1: a", "append 1: a"]);
});

test.run();

/** A journal whose writes are answered one at a time, by `answer`. */
function makeJournal(options: { suspended?: "suspended" | "resumed" } = {}) {
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  const write = (what: string, events: readonly LogEvent[], sequence: number, more = "") => {
    written.push(`${what} ${sequence}: ${events.map(({ node, type }) => node ?? type).join()}${more}`);
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
  const queue = {
    append: async (_: Claim, { sequence, events, reply }) => {
      await write("append", events, sequence, reply === undefined ? "" : " and a reply");
      return { paused: false };
    },
    finish: (_: Claim, { sequence, events }) => write("finish", events, sequence),
    suspend: async (_: Claim, { sequence, events }) => {
      await write("suspend", events, sequence);
      return options.suspended ?? "suspended";
    },
  } as Pick<WorkQueue, "append" | "finish" | "suspend"> as WorkQueue;
  const onError = (error: unknown) => {
    throw error;
  };
  const journal = new Journal(claim, queue, { onError, onPaused: () => {} });
  const answer = async () => {
    while (waiting.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    waiting.shift()!();
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { journal, written, answer };
}
