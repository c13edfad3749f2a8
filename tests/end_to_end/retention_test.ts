// timeout: 240
/**
 * A process with little memory outlives what is posted to it: what is kept is bounded in bytes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { chain, putWorkflow, startInstance } from "./instance.ts";

/** As many megabytes as would fill the heap. */
const HEAP_MB = 320;
const POSTS = 74;
const CALLERS = 3;

test(`${POSTS} posts of 4 MB leave a process with ${HEAP_MB} MB of heap alive and answering`, async () => {
  await using instance = await startInstance({
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}`,
    LOG_LEVEL: "warn",
    HISTORY_TTL_SECONDS: "3600",
  });
  const { url } = instance;
  await putWorkflow(url, "echo", {
    ...chain("echo", [{ id: "same", type: "transform", parameters: { output: "{{ body }}" } }]),
    settings: { resultTtlSeconds: 3600 },
  });
  const body = JSON.stringify("x".repeat(4 * 1024 * 1024 - 100));
  const ids: string[] = [];
  let left = POSTS;
  const caller = async () => {
    while (left-- > 0) {
      const response = await fetch(`${url}/webhook/echo`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      assert.is(response.status, 200);
      assert.is((await response.text()).length, body.length);
      ids.push(response.headers.get("execution-id")!);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  assert.is(ids.length, POSTS);
  assert.is((await fetch(`${url}/readyz`)).status, 200);
  const state = async (id: string) => (await fetch(`${url}/api/executions/${id}`)).status;
  assert.is(await state(ids[0]!), 404);
  assert.is(await state(ids.at(-1)!), 200);
  assert.is((await fetch(`${url}/api/executions/${ids[0]}/result`)).status, 404);
  assert.is(instance.process.exitCode, null);
});

test.run();
