/**
 * Runs a workflow against a recording, in memory: nothing is written, nothing is called, nothing waits.
 */
import { TerminalError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import type { LogEvent, StoredEvent } from "../execution/event.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { Claim } from "../execution/claim.ts";
import { type Recording, recordingOf } from "../replay/recording.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { runExecution } from "./run.ts";
import type { RunOptions } from "./run_options.ts";
import { RunControl } from "./run_control.ts";

/** What {@linkcode rehearse} takes. */
export interface RehearseOptions {
  /** The id that expressions see as `$execution.id`. */
  readonly executionId: string;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The trigger's output. */
  readonly input: JsonValue;
  /** When it begins, in epoch milliseconds; waits carry the time on. */
  readonly startsAt: number;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
  /** Ends the rehearsal. */
  readonly signal: AbortSignal;
}

/** Runs a workflow that has no effects, as a stub has none. Throws the signal's reason. */
export async function rehearse(workflow: CompiledWorkflow, options: RehearseOptions): Promise<Recording> {
  const { executionId, trigger, input, startsAt, outputLimitBytes, signal } = options;
  const { id: workflowId, version } = workflow;
  const events: StoredEvent[] = [];
  let now = startsAt;
  const write = (written: readonly LogEvent[]) => {
    for (const event of written) events.push({ ...event, id: `${now}-${events.length}` } as StoredEvent);
  };
  write([{ type: "execution.requested", time: now, data: { workflowId, version, trigger, input } }]);
  let suspended: number | undefined;
  const queue: RunOptions["queue"] = {
    append: (_claim, { events }) => {
      write(events);
      return Promise.resolve({ paused: false });
    },
    suspend: (_claim, { events, delayMs }) => {
      write(events);
      suspended = delayMs;
      return Promise.resolve("suspended");
    },
    finish: (_claim, { events }) => {
      write(events);
      return Promise.resolve();
    },
  };
  const log = {
    pages: async function* () {
      yield events;
    },
  } as unknown as ExecutionLog;
  const control = new RunControl({ paused: false });
  const onAbort = () => control.stop(signal.reason ?? new TerminalError("aborted", "The rehearsal was stopped"));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    for (let epoch = 1;; epoch++) {
      suspended = undefined;
      const claim: Claim = {
        ...{ executionId, workflowId, version, trigger, epoch, requestedAt: startsAt, entryId: "" },
        ...{ replyEarly: false, sequence: events.length, paused: false, way: "queue", deliveries: 0 },
      };
      const clock = { now: () => now };
      await runExecution(claim, { workflow, log, queue, clock, worker: "", outputLimitBytes, control });
      if (suspended === undefined) return recordingOf(executionId, events);
      now += suspended;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
