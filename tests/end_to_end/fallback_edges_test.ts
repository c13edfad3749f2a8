// timeout: 300
/**
 * `REDIS_FALLBACK=memory` beside its callers: who follows what runs in memory, what is run by other programs, and what
 * has expired meanwhile.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { json, post } from "../http/harness.ts";
import { chain } from "../http/whole_app.ts";
import { eventually } from "../support/eventually.ts";
import { openRig, putGated } from "./fallback_rig.ts";
import { openGates } from "./gates.ts";

const sum = { id: "sum", type: "transform", parameters: { output: { total: "{{ body.n + 1 }}" } } };

/** What comes of a response, as it comes; `isWhole` once it has ended. */
function reading(response: Response): { text: string; isWhole: boolean } {
  const read = { text: "", isWhole: false };
  void (async () => {
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) read.text += part;
    read.isWhole = true;
  })();
  return read;
}

test("who follows an execution in memory, or waits for its result, goes on in Redis without gap or repeat", async () => {
  await using rig = await openRig();
  await using gates = await openGates();
  const { whole: { app }, store } = rig;
  await putGated(rig.whole, gates, { name: "slow" });
  await rig.away();
  const accepted = await app.request("/webhook/slow", post({ n: 4 }, { prefer: "respond-async" }));
  assert.equal([accepted.status, accepted.headers.get("millrace-durability")], [202, "memory"]);
  const url = `/api/executions/${accepted.headers.get("execution-id")!}`;
  await gates.reached("slow");
  const events = reading(await app.request(`${url}/events`, { headers: { accept: "text/event-stream" } }));
  const waiting = Promise.resolve(app.request(`${url}/result`, { headers: { prefer: "wait=300" } })).then(json);
  let result: { output?: unknown } | undefined;
  void waiting.then((it) => result = it);
  await eventually(() => events.text.includes('"node":"slow"'), "it follows in memory");
  await rig.back();
  gates.open("slow");
  await eventually(() => events.isWhole, "the stream ends with the execution");
  const log = await store.log.read(accepted.headers.get("execution-id")!);
  assert.is(log.at(-1)!.type, "execution.completed");
  assert.equal([...events.text.matchAll(/^id: ?(.*)$/gm)].map(([, id]) => id), log.map(({ id }) => id));
  await eventually(() => result !== undefined, "the result comes");
  assert.equal(result!.output, { total: 5 });
});

test("what other programs run stays in Redis, whatever its workflow says of the fallback", async () => {
  await using rig = await openRig();
  const { whole: { app, catalog } } = rig;
  for (const [name, settings] of [["external", {}], ["willing", { fallback: true }]] as const) {
    const definition = chain(name, [sum]) as { nodes: { parameters: object }[] };
    definition.nodes[0]!.parameters = { path: name, executor: "external", timeoutSeconds: 5 };
    await catalog.put(name, { ...definition, settings });
  }
  await rig.away();
  for (const name of ["external", "willing"]) {
    const response = await app.request(`/webhook/${name}`, post({ n: 1 }));
    assert.equal([name, response.status, response.headers.get("millrace-durability")], [name, 503, null]);
  }
  assert.is(rig.fallback.health().executions, 0);
});

test("what has expired in memory makes room there", async () => {
  await using rig = await openRig({ FALLBACK_EXECUTIONS: "1" });
  const { whole: { app, catalog }, fallback } = rig;
  const settings = { saveExecutionToDatabase: false, resultTtlSeconds: 1 };
  await catalog.put("sum", { ...chain("sum", [sum]), settings });
  await rig.away();
  for (const n of [1, 2]) {
    // 503 for as long as the one before is there.
    const response = await eventually(async () => {
      const response = await app.request("/webhook/sum", post({ n }));
      return response.status !== 503 && response;
    }, "there is room");
    assert.equal(await response.json(), { total: n + 1 });
  }
  await eventually(() => fallback.health().executions === 0, "the last one expires");
  assert.is(fallback.health().bytes, 0);
});

test.run();
