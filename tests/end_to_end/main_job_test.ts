// timeout: 240
/**
 * The main job as a caller sees it, over the memory driver on every runtime, and over Redis with front and worker in
 * processes of their own.
 */
import webhookExamples from "@octokit/webhooks-examples" with { type: "json" };
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { chain, type Instance, post, putWorkflow, readEvents, untilServed } from "./instance.ts";
import { distributed, embedded } from "./main_job_setups.ts";

for (const setup of [...embedded, distributed]) {
  const test = suite(`The main job on ${setup.name}`);
  let instances: Instance[] = [];
  let front: string;

  test.before(async () => {
    instances = await setup.start();
    front = instances[0]!.url;
  });
  test.after(async () => {
    const codes = await Promise.all(instances.map((instance) => instance.stop()));
    await setup.clean();
    assert.equal(codes, instances.map(() => 0));
  });

  test("a lastNode webhook answers with the workflow's own response", async () => {
    const response = await post(`${front}/webhook/orders`, {
      items: [{ price: 2.5, quantity: 4 }, { price: 1, quantity: 3 }],
    });
    assert.is(response.status, 201);
    assert.is(response.headers.get("x-total"), "13");
    assert.match(response.headers.get("execution-id") ?? "", /^[0-9a-f-]{36}$/);
    assert.match(response.headers.get("server-timing") ?? "", /total;dur=/);
    assert.equal(await response.json(), { ok: true, total: 13 });
  });

  test("its log reads like a story, as JSON, as NDJSON and as events", async () => {
    const response = await post(`${front}/webhook/orders`, { items: [] });
    await response.body?.cancel();
    const id = response.headers.get("execution-id");
    const events = await readEvents(`${front}/api/executions/${id}/events`);
    const story = [
      "execution.requested",
      "execution.started",
      ...["node.started", "node.completed", "node.started", "node.completed"],
      "execution.completed",
    ];
    assert.equal(events.map((event) => event.event), story);
    const json = await (await fetch(`${front}/api/executions/${id}/events`)).json();
    assert.equal(json.events.map((event: { type: string }) => event.type), story);
    const lines = await fetch(`${front}/api/executions/${id}/events`, { headers: { accept: "application/x-ndjson" } });
    assert.is((await lines.text()).trim().split("\n").length, story.length);
    const rest = await readEvents(`${front}/api/executions/${id}/events`, { "last-event-id": events[3]!.id });
    assert.equal(rest.map((event) => event.id), events.slice(4).map((event) => event.id));
    const state = await (await fetch(`${front}/api/executions/${id}`)).json();
    assert.equal([state.status, state.progress, state.currentStep], ["completed", 100, null]);
    const result = await (await fetch(`${front}/api/executions/${id}/result`)).json();
    assert.equal([result.status, result.response.status], ["completed", 201]);
  });

  test("onReceived answers before the work is done, and the result can be waited for", async () => {
    await putWorkflow(front, "later", {
      ...chain("later", [{ id: "wait", type: "delay", parameters: { seconds: 0.3 } }], { responseMode: "onReceived" }),
    });
    const response = await post(`${front}/webhook/later`, { n: 1 });
    assert.is(response.status, 200);
    const { executionId, status } = await response.json();
    assert.is(status, "pending");
    assert.is(response.headers.get("location"), `/api/executions/${executionId}`);
    const result = await fetch(`${front}/api/executions/${executionId}/result`, { headers: { prefer: "wait=120" } });
    assert.is(result.status, 200);
    assert.is((await result.json()).output.body.n, 1);
  });

  test("responseNode answers while the rest runs on", async () => {
    await putWorkflow(front, "early", {
      ...chain("early", [
        { id: "reply", type: "httpResponse", parameters: { status: 202, body: "{{ body.n }}" } },
        { id: "wait", type: "delay", parameters: { seconds: "{{ $trigger.body.seconds }}" } },
      ], { responseMode: "responseNode" }),
    });
    for (const [seconds, end] of [[3600, "execution.cancelled"], [0.3, "execution.completed"]] as const) {
      const response = await post(`${front}/webhook/early`, { n: 42, seconds });
      assert.is(response.status, 202);
      assert.is(await response.json(), 42);
      const execution = `${front}/api/executions/${response.headers.get("execution-id")}`;
      if (end === "execution.cancelled") {
        assert.is((await (await fetch(execution)).json()).status, "running");
        await fetch(`${execution}/cancel`, { method: "POST" });
      }
      assert.is((await readEvents(`${execution}/events`)).at(-1)!.event, end);
    }
  });

  test("deadlines and Prefer: 504, 202 after a wait, 202 at once", async () => {
    await putWorkflow(front, "slow", {
      ...chain("slow", [{ id: "wait", type: "delay", parameters: { seconds: 60 } }], { timeoutSeconds: 1 }),
    });
    const late = await untilServed(() => post(`${front}/webhook/slow`, {}));
    assert.is(late.status, 504);
    const problem = await late.json();
    assert.is(problem.code, "deadline_exceeded");
    assert.is(late.headers.get("location"), `/api/executions/${problem.executionId}`);
    for (const prefer of ["wait=0", "respond-async"]) {
      const response = await untilServed(() => post(`${front}/webhook/slow`, {}, { prefer }));
      assert.is(response.status, 202, prefer);
      assert.match(response.headers.get("preference-applied") ?? "", prefer);
      assert.ok(response.headers.get("location"));
      await response.body?.cancel();
    }
  });

  test("branches run concurrently, skipped ones are skipped, and a join sees both", async () => {
    const delay = (id: string) => ({ id, type: "delay", parameters: { seconds: 0.4 } });
    await putWorkflow(front, "branches", {
      name: "branches",
      nodes: [
        { id: "hook", type: "webhook", parameters: { path: "branches", method: "POST", responseMode: "lastNode" } },
        delay("left"),
        delay("right"),
        {
          id: "which",
          type: "switch",
          parameters: { cases: [{ output: "big", when: "{{ body.n > 10 }}" }], else: "small" },
        },
        { id: "big", type: "transform", parameters: { output: "big" } },
        { id: "small", type: "transform", parameters: { output: "small" } },
        { id: "join", type: "transform", parameters: { output: "{{ $keys($) }}" } },
      ],
      connections: [
        { from: "hook", to: "left" },
        { from: "hook", to: "right" },
        { from: "hook", to: "which" },
        { from: "which", to: "big", output: "big" },
        { from: "which", to: "small", output: "small" },
        ...["left", "right", "big", "small"].map((from) => ({ from, to: "join" })),
      ],
    });
    const response = await post(`${front}/webhook/branches`, { n: 11 });
    assert.equal(await response.json(), ["left", "right", "big"]);
    const execution = `${front}/api/executions/${response.headers.get("execution-id")}`;
    const state = await (await fetch(execution)).json();
    assert.is(state.nodes.small.status, "skipped");
    const story = (await readEvents(`${execution}/events`)).map(({ event, data }) => `${event} ${data.node}`);
    const at = (what: string) => story.indexOf(what);
    const begun = Math.max(at("node.started left"), at("node.started right"));
    const ended = Math.min(at("node.completed left"), at("node.completed right"));
    assert.ok(at("node.started left") >= 0 && begun < ended, "the delays ran at the same time");
  });

  test("a failure is a problem with the execution's id, unless it is handled", async () => {
    await putWorkflow(
      front,
      "fails",
      chain("fails", [{ id: "no", type: "fail", parameters: { message: "no {{ body.n }}", code: "refused" } }]),
    );
    const failed = await post(`${front}/webhook/fails`, { n: 7 });
    assert.is(failed.status, 500);
    const problem = await failed.json();
    assert.equal(problem.error, { code: "refused", message: "no 7", node: "no" });
    assert.is(problem.executionId, failed.headers.get("execution-id"));
    await putWorkflow(front, "copes", {
      ...chain("copes", []),
      nodes: [
        { id: "hook", type: "webhook", parameters: { path: "copes", method: "POST", responseMode: "lastNode" } },
        { id: "no", type: "fail", onError: "branch", parameters: { message: "no" } },
        { id: "sorry", type: "transform", parameters: { output: "{{ error.message }}" } },
      ],
      connections: [{ from: "hook", to: "no" }, { from: "no", to: "sorry", output: "error" }],
    });
    assert.is(await (await post(`${front}/webhook/copes`, {})).json(), "no");
  });

  test("an execution that takes longer than its workflow allows fails", async () => {
    await putWorkflow(front, "endless", {
      ...chain("endless", [{ id: "wait", type: "delay", parameters: { seconds: 60 } }]),
      settings: { timeoutSeconds: 1 },
    });
    const response = await post(`${front}/webhook/endless`, {});
    assert.is((await response.json()).error.code, "execution_timeout");
  });

  test("cancel ends a running execution and answers its caller", async () => {
    await putWorkflow(front, "long", chain("long", [{ id: "wait", type: "delay", parameters: { seconds: 3600 } }]));
    const waiting = post(`${front}/webhook/long`, {});
    const id = await eventually(async () => {
      const { executions } = await (await fetch(`${front}/api/executions?workflow=long&status=running`)).json();
      return executions[0]?.executionId as string | undefined;
    }, "the execution runs");
    const cancelled = await fetch(`${front}/api/executions/${id}/cancel`, { method: "POST" });
    assert.ok(cancelled.ok);
    const response = await waiting;
    assert.is(response.status, 500);
    assert.is((await response.json()).code, "execution_cancelled");
    const again = await fetch(`${front}/api/executions/${id}/cancel`, { method: "POST" });
    assert.is(again.status, 409);
  });

  test("every GitHub payload is summarised and answered", async () => {
    const examples = (webhookExamples as unknown as { name: string; examples: unknown[] }[])
      .flatMap(({ name, examples }) => examples.map((body) => ({ name, body })));
    assert.ok(examples.length > 200);
    const ids = new Set<string>();
    const work = examples[Symbol.iterator]();
    await Promise.all(Array.from({ length: 16 }, async () => {
      for (const { name, body } of work) {
        const response = await post(`${front}/webhook/github`, body, { "x-github-event": name });
        const text = await response.text();
        assert.is(response.status, 201, `${name}: ${text}`);
        assert.match(text, `"${name}"`);
        ids.add(response.headers.get("execution-id")!);
      }
    }));
    assert.is(ids.size, examples.length);
  });

  test("health tells the driver, and both probes answer", async () => {
    const health = await eventually(async () => {
      const answer = await (await fetch(`${front}/health`)).json();
      return answer.status === "up" && answer;
    }, "Redis answers in time");
    assert.is(health.driver, setup === distributed ? "redis" : "memory");
    assert.is(health.checks.redis.status, setup === distributed ? "up" : "disabled");
    for (const probe of ["livez", "readyz", "metrics"]) assert.is((await fetch(`${front}/${probe}`)).status, 200);
  });

  test.run();
}
