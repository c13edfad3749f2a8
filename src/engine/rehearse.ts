/**
 * Runs a workflow against a recording, in memory: nothing is written, nothing is called, nothing waits.
 */
import type { Clock } from "../lib/clock.ts";
import type { JsonValue } from "../lib/json.ts";
import type { Claim } from "../execution/claim.ts";
import type { ExecutionLog } from "../execution/log.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";
import type { SuspendOptions } from "../execution/work_queue.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { runExecution } from "./run.ts";
import type { RunControl } from "./run_control.ts";
import type { RunOptions } from "./run_options.ts";

/** What {@linkcode rehearse} takes. */
export interface RehearseOptions {
  /** Under whose id it runs. */
  readonly executionId: string;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The trigger's output. */
  readonly input: JsonValue;
  /** When it begins, in epoch milliseconds; waits carry the time on. */
  readonly startsAt: number;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  /** Stops it; may be used for the next one too. */
  readonly control: RunControl;
}

/** Runs a workflow that has no effects, as a stub has none, to its last state. Throws the reason for which it was stopped. */
export async function rehearse(workflow: CompiledWorkflow, options: RehearseOptions): Promise<RunState> {
  const { executionId, trigger, input, startsAt, outputLimitBytes, control } = options;
  const { id: workflowId, version } = workflow;
  const stage = new Stage(startsAt);
  const state = emptyState();
  const data = { workflowId, version, trigger, input };
  applyEvent(state, { type: "execution.requested", time: startsAt, data });
  const run: RunOptions = {
    workflow,
    log: NO_LOG,
    records: NO_LOG,
    state,
    queue: stage,
    clock: stage,
    worker: "",
    outputLimitBytes,
    control,
  };
  for (let epoch = 1;; epoch++) {
    const claim: Claim = {
      ...{ executionId, workflowId, version, trigger, epoch, requestedAt: startsAt, entryId: "" },
      ...{ replyEarly: false, sequence: 1, paused: false, way: "queue", deliveries: 0 },
    };
    if (await runExecution(claim, run) !== undefined) return state;
    stage.goOn();
  }
}

/** The state is given, so no log is read. */
const NO_LOG = {} as ExecutionLog;

/** Forgets what is written, and has a clock that only waits move. */
class Stage implements Clock {
  #now: number;
  #suspendedMs = 0;

  constructor(startsAt: number) {
    this.#now = startsAt;
  }

  now(): number {
    return this.#now;
  }

  append(): Promise<{ paused: boolean }> {
    return Promise.resolve({ paused: false });
  }

  suspend(_claim: Claim, { delayMs }: SuspendOptions): Promise<"suspended"> {
    this.#suspendedMs = delayMs;
    return Promise.resolve("suspended");
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  /** The wait is over. */
  goOn(): void {
    this.#now += this.#suspendedMs;
  }
}
