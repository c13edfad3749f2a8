/**
 * Starts one run of a schedule, for the scheduler, a backfill or a manual run.
 */
import { ownKey } from "../execution/request.ts";
import type { Submit, Submitted } from "../execution/submit.ts";
import type { CompiledWorkflow, Schedule, WorkflowSettings } from "../workflow/definition.ts";

/** What {@linkcode startScheduled} takes. */
export interface ScheduledStart {
  readonly workflow: CompiledWorkflow;
  readonly trigger: Schedule;
  /** The time for which it runs, in epoch milliseconds. */
  readonly time: number;
  /** The run's idempotency key. */
  readonly key: string;
  /** What must be the same whenever the key is; default a constant, since such a key says all. */
  readonly fingerprint?: string | undefined;
  /** How long the key is remembered, in seconds. */
  readonly ttlSeconds: number;
  /** What happens while another runs; by default what the workflow's settings say, or else `skip`. */
  readonly onOverlap?: WorkflowSettings["onOverlap"];
  /** The name of the API token that starts it. Default none: the clock does. */
  readonly startedBy?: string | undefined;
}

/** Throws what `Submit` does; `concurrency_exceeded` where the run is to be skipped. */
export function startScheduled(submit: Submit, options: ScheduledStart): Promise<Submitted> {
  const { workflow, trigger, time, key, fingerprint = "schedule", ttlSeconds } = options;
  return submit({
    workflow,
    trigger: trigger.nodeId,
    input: { ...trigger.input, scheduledAt: time },
    idempotency: { key, fingerprint, ttlSeconds },
    startedBy: options.startedBy,
    onOverlap: options.onOverlap ?? workflow.definition.settings.onOverlap ?? "skip",
  });
}

/** The idempotency key of the run for a time: however often it is started, one execution is. */
export function runKey(node: string, time: number | `run:${string}`): string {
  return ownKey(`${node}:${time}`);
}
