/**
 * The options of a run.
 */
import type { Clock } from "../lib/clock.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { RunState } from "../execution/state.ts";
import type { WorkQueue } from "../execution/work_queue.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import type { RunControl } from "./run_control.ts";
import type { ForkStart, StartForkOptions } from "./start_fork.ts";

/** Options that a worker passes to each run. */
export interface RunOptions extends Partial<ForkStart>, Pick<StartForkOptions, "workflows" | "limits" | "records"> {
  /** The version that the execution was requested with. */
  readonly workflow: CompiledWorkflow;
  /** Where the events are read from when another worker began the execution. */
  readonly log: ExecutionLog;
  /** What the run goes on from, and changes; by default what the claim or the log says. */
  readonly state?: RunState;
  /** Where events are appended, and where the execution is suspended or ended. */
  readonly queue: Pick<WorkQueue, "append" | "suspend" | "finish">;
  /** The store's clock. */
  readonly clock: Clock;
  /** The worker's name, for `execution.started`. */
  readonly worker: string;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  /** Receives cancel, pause and resume while the execution runs. */
  readonly control: RunControl;
}
