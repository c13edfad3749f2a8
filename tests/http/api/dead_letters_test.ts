import { test } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import type { JsonValue } from "../../../src/lib/json.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import type { DeadLetter, DeadLetters } from "../../../src/execution/dead_letters.ts";
import type { GraphNode } from "../../../src/workflow/graph.ts";
import { json, withApp } from "../harness.ts";
import { compiled } from "../workflows.ts";

type Letter = DeadLetter & { input: JsonValue };

function letter(members: Partial<Letter> = {}): Letter {
  return {
    executionId: uuidv7(),
    workflowId: "w1",
    version: 1,
    trigger: "hook",
    requestedAt: 1,
    diedAt: 2,
    deliveries: 5,
    error: { code: "worker_lost", message: "5 workers ended with it" },
    input: { n: 1 },
    ...members,
  };
}

/** Dead letters in a list, newest first, and the pages that were asked for. */
function fakeDeadLetters(letters: Letter[]): DeadLetters & { asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    asked,
    list: (options) => {
      asked.push(options);
      return Promise.resolve({ deadLetters: letters.map(({ input: _input, ...shown }) => shown), nextCursor: "next" });
    },
    get: (id) => Promise.resolve(letters.find(({ executionId }) => executionId === id)),
    drop: (id) => {
      const index = letters.findIndex(({ executionId }) => executionId === id);
      if (index >= 0) letters.splice(index, 1);
      return Promise.resolve(index >= 0);
    },
  };
}

function withLetters(letters: Letter[], test: Parameters<typeof withApp>[1]): Promise<void> {
  const hook = { id: "hook", isTrigger: true } as GraphNode;
  const sum = { id: "sum", isTrigger: false } as GraphNode;
  const workflow = compiled("w1", { version: 3, graph: new Map([["hook", hook], ["sum", sum]]) });
  const store = { ...createMemoryStore({ instance: "test" }), deadLetters: fakeDeadLetters(letters) };
  return withApp({ store, workflows: [workflow], work: () => "hold" }, test);
}

test("GET /api/dead-letters hands its page on, and answers without inputs", () => {
  const letters = [letter(), letter()];
  return withLetters(letters, async ({ app, store }) => {
    const cursor = uuidv7();
    const page = await json(await app.request(`/api/dead-letters?limit=500&cursor=${cursor}`));
    assert.equal(
      page.deadLetters.map(({ executionId }: DeadLetter) => executionId),
      letters.map((it) => it.executionId),
    );
    assert.is(page.deadLetters[0].deliveries, 5);
    assert.is(page.nextCursor, "next");
    await app.request("/api/dead-letters");
    const { asked } = store.deadLetters as ReturnType<typeof fakeDeadLetters>;
    assert.equal(asked, [{ limit: 500, cursor }, { limit: 50 }]);
    for (const query of ["limit=0", "limit=501", "cursor=x"]) {
      assert.is((await app.request(`/api/dead-letters?${query}`)).status, 400, query);
    }
  });
});

test("GET and DELETE /api/dead-letters/<id> show and forget one, then answer 404", () => {
  const dead = letter();
  return withLetters([dead], async ({ app }) => {
    const path = `/api/dead-letters/${dead.executionId}`;
    assert.equal(await json(await app.request(path)), dead);
    const dropped = await app.request(path, { method: "DELETE" });
    assert.is(dropped.status, 204);
    for (const [suffix, method] of [["", "GET"], ["", "DELETE"], ["/requeue", "POST"]] as const) {
      const response = await app.request(`${path}${suffix}`, { method });
      assert.is(response.status, 404, method);
      assert.is((await json(response)).code, "dead_letter_not_found");
      assert.is((await app.request(`/api/dead-letters/x${suffix}`, { method })).status, 400);
    }
  });
});

test("POST .../requeue starts the newest version with the same input, once, and drops the dead letter", () => {
  const dead = letter();
  return withLetters([dead], async ({ app, store, claims }) => {
    const requeue = () => app.request(`/api/dead-letters/${dead.executionId}/requeue`, { method: "POST" });
    const [first, second] = await Promise.all([requeue(), requeue()]);
    assert.is(first!.status, 202);
    const answer = await json(first!);
    assert.equal(answer, { executionId: answer.executionId, requeuedFrom: dead.executionId, status: "pending" });
    assert.is.not(answer.executionId, dead.executionId);
    assert.is(first!.headers.get("location"), `/api/executions/${answer.executionId}`);
    assert.equal(await json(second!), answer);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(
      claims.map(({ executionId, version, trigger, input }) => ({ executionId, version, trigger, input })),
      [{ executionId: answer.executionId, version: 3, trigger: "hook", input: { n: 1 } }],
    );
    assert.is(await store.deadLetters.get(dead.executionId), undefined);
    assert.is((await requeue()).status, 404);
  });
});

test("POST .../requeue drops nothing when the execution cannot be started", () => {
  const cases: [Letter, number, RegExp][] = [
    [letter({ workflowId: "gone" }), 404, /"gone"/],
    [letter({ trigger: "gone" }), 409, /Version 3 .*"gone"/],
    [letter({ trigger: "sum" }), 409, /"sum"/],
  ];
  return withLetters(cases.map(([dead]) => dead), async ({ app, store, claims }) => {
    for (const [{ executionId }, status, detail] of cases) {
      const response = await app.request(`/api/dead-letters/${executionId}/requeue`, { method: "POST" });
      assert.is(response.status, status);
      assert.match((await json(response)).detail, detail);
      assert.ok(await store.deadLetters.get(executionId));
    }
    assert.is(claims.length, 0);
  });
});

test.run();
