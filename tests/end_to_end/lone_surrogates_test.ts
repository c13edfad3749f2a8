// timeout: 180
/**
 * Lone surrogates over a real socket, with RedisJSON: what must not have one is refused, and what may stops nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { chain, post, putWorkflow, startInstance } from "./instance.ts";
import { problem } from "./one_node.ts";

const { url } = redisVariants()[0]!;
const prefix = uniquePrefix();
test.after(async () => void await removeKeys(url, prefix));

test("a definition with one is a 422, and one that callers send stops no count and no rebuild", async () => {
  await using server = await startInstance({ REDIS_URL: url, REDIS_PREFIX: prefix, LOG_LEVEL: "warn" });
  const odd = chain("odd", [
    { id: "wait", type: "delay", parameters: { seconds: 0.3 } },
    { id: "fail", type: "fail", parameters: { message: "{{ body.x }}" } },
  ]);
  const refused = await fetch(`${server.url}/api/workflows/odd`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...odd, name: "\ud800" }),
  });
  const { errors } = await problem(refused, 422, "invalid_workflow") as { errors: { pointer: string }[] };
  assert.equal(errors.map(({ pointer }) => pointer), ["/name"]);
  await putWorkflow(server.url, "odd", odd);
  await problem(await post(`${server.url}/webhook/odd`, { x: "\ud800" }), 500, "execution_failed");
  await eventually(async () => {
    const response = await fetch(`${server.url}/api/workflow-state/stats/overview`);
    return (await response.json()).statistics.executionsByStatus.failed === 1;
  }, "the execution in the counts");
  const rebuilt = await fetch(`${server.url}/api/workflow-state/rebuild`, { method: "POST" });
  assert.equal(JSON.parse((await rebuilt.text()).trimEnd().split("\n").at(-1)!), { success: true, done: 1, total: 1 });
  const deleted = await fetch(`${server.url}/api/workflows/odd`, { method: "DELETE" });
  assert.is(deleted.status, 204);
});

test.run();
