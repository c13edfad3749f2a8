import { test } from "uvu";
import * as assert from "uvu/assert";
import { rehearse } from "../../src/engine/rehearse.ts";
import { RunControl } from "../../src/engine/run_control.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { recordingOf } from "../../src/replay/recording.ts";
import { stubOf } from "../../src/replay/stub.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { WorkflowDefinition } from "../../src/workflow/definition.ts";
import { completedRun } from "./logs.ts";

test("a stub takes no lock, and is over at once whatever it waits for", async () => {
  const definition = {
    nodes: [
      { id: "hook", type: "manual" },
      { id: "sum", type: "transform", parameters: { output: "{{ $now() }}" }, lock: { name: "one" } },
      { id: "wait", type: "delay", parameters: { seconds: 3600 } },
    ],
    connections: [{ from: "hook", to: "sum" }, { from: "sum", to: "wait" }],
  } as unknown as WorkflowDefinition;
  const workflow = compileWorkflow({ id: "orders", version: 1, definition, updatedAt: 1 }, {
    nodeTypes: createNodeTypes({ fetch }),
    runLocked: () => assert.unreachable("a lock was taken") as never,
  });
  const recording = recordingOf("a", completedRun());
  const execution = { id: "a", workflowId: "orders", version: 1 };
  const control = new RunControl({ paused: false });
  const options = { executionId: "a", trigger: "hook", input: null, startsAt: 1000, outputLimitBytes: 1000, control };
  const state = await rehearse(stubOf(workflow)({ recording, workflow, times: recording, execution }), options);
  assert.is(state.status, "completed");
  // The node began at 1,002 ms in the record.
  assert.is(state.nodes.get("wait")!.output, "1970-01-01T00:00:01.002Z");
});

test.run();
