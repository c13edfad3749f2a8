/**
 * A workflow that is not stored, for an execution that another program runs: a name and the settings by default.
 */
import type { CompiledWorkflow } from "./definition.ts";
import { DEFAULT_SETTINGS } from "./schema.ts";

/** The workflow of that id, version 1, with nothing in it. */
export function unknownWorkflow(id: string): CompiledWorkflow {
  return {
    id,
    version: 1,
    definition: { name: id, active: false, settings: DEFAULT_SETTINGS, nodes: [], connections: [] },
    updatedAt: 0,
    graph: new Map(),
    webhooks: [],
    schedules: [],
    manualTrigger: undefined,
    run: new Map(),
  };
}
