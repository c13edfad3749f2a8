import { test } from "uvu";
import * as assert from "uvu/assert";
import { MemoryWorkflowStore } from "../../../src/storage/memory/workflow_store.ts";
import type { WorkflowDefinition } from "../../../src/workflow/definition.ts";

const definition: WorkflowDefinition = {
  name: "Orders",
  active: true,
  settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
  nodes: [{ id: "hook", type: "manual", parameters: {}, onError: "fail" }],
  connections: [],
};

test("MemoryWorkflowStore forgets a version once none of its executions can live, and a deleted number later", async () => {
  let nowMs = 0;
  const store = new MemoryWorkflowStore({ historyTtlSeconds: 1000, now: () => nowMs });
  await store.put("orders", definition, { routes: [] });
  nowMs += 1e9;
  await store.put("orders", { ...definition, name: "second" }, { routes: [] });
  nowMs += (300 + 1000 + 3600) * 1000 - 1;
  assert.is((await store.get("orders", 1))?.version, 1);
  nowMs += 1;
  assert.is(await store.get("orders", 1), undefined);
  assert.is((await store.get("orders"))?.version, 2);
  await store.delete("orders");
  nowMs += 29 * 86_400_000;
  assert.is(await store.get("orders", 2), undefined);
  assert.is((await store.put("orders", definition, { routes: [] })).workflow.version, 3);
  await store.delete("orders");
  nowMs += 31 * 86_400_000;
  assert.is((await store.put("orders", definition, { routes: [] })).workflow.version, 1);
});

test.run();
