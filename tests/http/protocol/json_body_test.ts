import { test } from "uvu";
import * as assert from "uvu/assert";
import { json, post, taken, withApp } from "../harness.ts";

test("a number that the log could not hold is refused in every body that an execution may see", () =>
  withApp({ work: () => "hold" }, async ({ app, claims, store }) => {
    const headers = { "content-type": "application/json", prefer: "respond-async" };
    await app.request("/webhook/orders", post({}, headers));
    await taken(claims);
    const id = claims[0]!.executionId;
    const before = await store.log.read(id);
    for (
      const [method, path, body] of [
        ["POST", "/webhook/orders", '{"x":1e400}'],
        ["POST", "/api/workflows/hooked/run", '{"input":{"x":1e400}}'],
        ["PUT", "/api/workflows/other", '{"nodes":[{"id":"a","type":"transform","parameters":{"output":1e400}}]}'],
        ["POST", "/api/executions", '{"workflowId":"a","input":1e400}'],
        ["POST", `/api/executions/${id}/events`, '{"events":[{"type":"completed","output":1e400}]}'],
        ["POST", `/api/executions/${id}/replay`, '{"input":1e400}'],
      ] as const
    ) {
      const response = await app.request(path, { method, body, headers });
      const { code, errors } = await json(response);
      assert.equal([response.status, code, errors.length], [400, "json_number_too_large", 1], path);
    }
    assert.is(claims.length, 1);
    assert.equal(await store.log.read(id), before);
  }));

test.run();
