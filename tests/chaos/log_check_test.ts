/**
 * What the chaos run takes for a breach, and what it does not.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Call } from "../../scripts/chaos/call.ts";
import { checkCall } from "../../scripts/chaos/call_check.ts";
import { checkLog, type Execution, keyOf } from "../../scripts/chaos/log_check.ts";
import { KINDS } from "../../scripts/chaos/workflows.ts";
import type { StoredEvent } from "../../src/execution/event.ts";

const payload = { key: "k", token: "t", n: 2, ms: 0, fails: 0 };
const response = { status: 201, headers: {}, body: { n: 4, token: "t" } };
const STORY = [
  ["execution.requested", "", { workflowId: "pure", version: 1, trigger: "hook", input: { body: payload } }],
  ["execution.started", "", { epoch: 1, worker: "w" }],
  ["node.started", "reply", { attempt: 1 }],
  ["node.completed", "reply", { output: response }],
  ["execution.completed", "", { lastNode: "reply", responseNode: "reply" }],
  ["execution.started", "", { epoch: 2, worker: "v" }],
  ["node.retrying", "reply", { attempt: 1 }],
] as const;

const logTest = suite("checkLog()");

logTest("finds nothing in a log as it must be", () => {
  const execution = log([0, 1, 2, 3, 4]);
  assert.is(keyOf(execution), "k");
  assert.equal(checkLog(execution, () => [1002]), []);
});

logTest("allows a node in flight to run again under another claim", () => {
  assert.equal(checkLog(log([0, 1, 2, 5, 2, 3, 4]), () => [1002, 1004]), []);
});

for (
  const [what, order, kind] of [
    ["two ends", [0, 1, 2, 3, 4, 4], "duplicated"],
    ["no end", [0, 1, 2, 3], "duplicated"],
    ["a node that completed twice", [0, 1, 2, 1, 2, 3, 3, 4], "duplicated"],
    ["a node that started after it had completed", [0, 1, 2, 3, 2, 4], "duplicated"],
    ["events after the end", [0, 1, 2, 4, 3], "wrong"],
    ["two requests", [0, 0, 1, 2, 3, 4], "duplicated"],
    ["two claims of one epoch", [0, 1, 2, 1, 2, 3, 4], "duplicated"],
    ["attempts that are not counted", [0, 1, 2, 6, 2, 6, 2, 3, 4], "wrong"],
    ["a log without its request", [1, 2, 3, 4], "wrong"],
  ] as const
) {
  logTest(`finds ${what}`, () => {
    assert.ok(checkLog(log(order), () => []).some((breach) => breach.kind === kind));
  });
}

logTest("finds calls that no start explains, and calls after the completion", () => {
  assert.is(checkLog(log([0, 1, 2, 3, 4]), () => [1002, 1002])[0]?.kind, "duplicated");
  assert.is(checkLog(log([0, 1, 2, 3, 4]), () => [9999])[0]?.kind, "duplicated");
});

logTest("finds what is kept for ever", () => {
  const [breach] = checkLog({ ...log([0, 1, 2, 3, 4]), eternal: ["meta"] }, () => []);
  assert.is(breach?.kind, "leaked");
});

logTest("looks away from calls where the log was set back, and from nothing else", () => {
  assert.equal(checkLog(log([0, 1, 2, 3, 4]), () => [1002, 1002], { rewound: true }), []);
  assert.is(checkLog(log([0, 1, 2, 3, 4, 4]), () => [], { rewound: true }).length > 0, true);
});

logTest("finds a result that is not the log's", () => {
  const result = { executionId: "e", status: "completed", response: { ...response, status: 200 } } as const;
  assert.is(checkLog({ ...log([0, 1, 2, 3, 4]), result }, () => [])[0]?.kind, "wrong");
});
logTest.run();

const callTest = suite("checkCall()");
const answer = {
  instance: "a",
  sentAt: 1000,
  endedAt: 1010,
  status: 201,
  body: `{"n":4,"token":"t"}`,
  executionId: "e",
};

callTest("finds nothing in a call that was answered as it should, and again the same", () => {
  assert.equal(checkCall(call({ replays: [answer] }), [log([0, 1, 2, 3, 4])]), []);
});

callTest("finds a lost, a second, a late, a wrong and another answer", () => {
  const good = log([0, 1, 2, 3, 4]);
  const kinds = (made: Partial<Call>, found: Execution[]) => checkCall(call(made), found).map(({ kind }) => kind);
  assert.equal(kinds({}, []), ["lost"]);
  assert.equal(kinds({}, [good, { ...good, id: "f" }]), ["duplicated"]);
  assert.equal(kinds({ attempts: [{ ...answer, endedAt: 17_001 }] }, [good]), ["wedged"]);
  assert.equal(kinds({ answer: { ...answer, body: "{}" } }, [good]), ["wrong"]);
  assert.equal(kinds({ answer: { ...answer, status: 504, endedAt: 16_000 } }, [good]), ["wedged"]);
  assert.equal(kinds({ replays: [{ ...answer, body: `{"token":"t","n":4}` }] }, [good]), ["duplicated"]);
});
callTest.run();

function log(order: readonly number[]): Execution {
  const events = order.map((which, i) => {
    const [type, node, data] = STORY[which]!;
    return { id: `${1000 + i}-0`, time: 1000 + i, type, data, ...(node === "" ? {} : { node }) };
  });
  return { id: "e", events: events as unknown as StoredEvent[], result: undefined };
}

function call(made: Partial<Call>): Call {
  return { kind: KINDS[0]!, payload, startedAt: 1000, attempts: [answer], answer, replays: [], ...made };
}
