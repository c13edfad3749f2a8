/**
 * What becomes of executions whose version this release does not take, over every driver: another release stored it.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Worker } from "../../src/engine/worker.ts";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import type { Store } from "../../src/storage/store.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import type { NodeTypes } from "../../src/workflow/node_type.ts";
import { awaitReply, drivers, openEach, requestOf } from "../storage/drivers.ts";
import { eventually } from "../support/eventually.ts";

const TYPES = createNodeTypes({ fetch });
/** What the other release has. */
const MORE_TYPES: NodeTypes = new Map([...TYPES, ["novel", { ...TYPES.get("transform")!, type: "novel" }]]);
const DEFINITION = {
  name: "novel",
  nodes: [{ id: "hook", type: "manual" }, { id: "new", type: "novel", parameters: { output: 7 } }],
  connections: [{ from: "hook", to: "new" }],
};

for (const driver of drivers()) {
  const test = suite(`Refusals on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened, { maxDeliveries: 3, leaseSeconds: 0.3 });

  const workerOf = (nodeTypes: NodeTypes) => {
    const errors: unknown[] = [];
    const worker = new Worker({
      store,
      workflows: new WorkflowCatalog({ store: store.workflows, nodeTypes }),
      name: "w",
      concurrency: 10,
      maxDeliveries: 3,
      outputLimitBytes: 100_000,
      onError: (error) => errors.push(error),
    });
    worker.start();
    return { worker, errors };
  };
  const request = async () => {
    await new WorkflowCatalog({ store: store.workflows, nodeTypes: MORE_TYPES }).put("novel", DEFINITION);
    const request = requestOf({ workflowId: "novel", replyTo: store.replies.instance });
    const reply = awaitReply(store, request.executionId);
    await store.log.request(request);
    return { executionId: request.executionId, reply };
  };

  test("an execution that no worker's release takes becomes a dead letter that says so, and its caller is answered", async () => {
    const { executionId, reply } = await request();
    const { worker, errors } = workerOf(TYPES);
    try {
      const { status, error } = await reply;
      assert.equal([status, error?.code], ["failed", "dead_letter"]);
      assert.match(error!.detail!, 'Version 1 of the workflow "novel" does not compile: /nodes/1/type "novel" is no');
      assert.equal((await store.deadLetters.get(executionId))?.error, error);
      assert.equal((await store.log.result(executionId))?.error, error);
    } finally {
      await worker.stop();
    }
    assert.is(errors.filter((error) => error instanceof InvalidWorkflowError).length, 3);
  });

  test("what one worker's release does not take another's runs", async () => {
    const { reply } = await request();
    const old = workerOf(TYPES);
    await eventually(() => old.errors.length > 0, "it was given up");
    await old.worker.stop();
    const { worker } = workerOf(MORE_TYPES);
    try {
      assert.is((await reply).output, 7);
    } finally {
      await worker.stop();
    }
  });

  test.run();
}
