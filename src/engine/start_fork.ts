/**
 * How a fork begins: what it takes from the record, and what runs in place of its nodes.
 */
import { MillraceError, type NodeErrorData } from "../lib/errors.ts";
import { definitionId } from "../execution/definition_id.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { RunState } from "../execution/state.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import { readRecording, type Recording, timesOf } from "../replay/recording.ts";
import { stubOf } from "../replay/stub.ts";
import { type TakenEvent, takenEvents } from "../replay/taken.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** How a fork begins. */
export interface ForkStart {
  /** What runs. */
  readonly workflow: CompiledWorkflow;
  /** The ends of nodes that it takes from the record, and has not taken yet. */
  readonly taken: readonly TakenEvent[];
  /** Why it cannot begin: with this it ends. */
  readonly refusal?: NodeErrorData;
}

/** What {@linkcode startFork} takes. */
export interface StartForkOptions {
  /** The version that the fork runs. */
  readonly workflow: CompiledWorkflow;
  /** Where the recorded execution is read. */
  readonly records: Pick<ExecutionLog, "pages" | "meta">;
  /** Finds the version that was recorded; without it the names of nodes decide which answer belongs to which call. */
  readonly workflows?: { get(id: string, version: number): Promise<CompiledWorkflow | undefined> };
  /** Limits of the expressions with which calls are compared; by default those of every expression. */
  readonly limits?: ExpressionLimits | undefined;
}

/** Reads the record; where it is gone, or more than is looked at as a whole, the fork fails. */
export async function startFork(state: RunState, options: StartForkOptions): Promise<ForkStart> {
  const { workflow, records, workflows, limits } = options;
  const { executionId, from, mode, identity } = state.fork!;
  if (mode === "live" && from === undefined) return { workflow, taken: [] };
  let recording: Recording | undefined;
  try {
    recording = await readRecording(records, executionId);
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "recording_too_large") throw error;
    return { workflow, taken: [], refusal: { code: error.code, message: error.message } };
  }
  if (recording === undefined) {
    const message = `The record of the execution "${executionId}", of which this is a fork, has expired`;
    return { workflow, taken: [], refusal: { code: "record_gone", message } };
  }
  const taken = takenEvents(recording, workflow.graph, from).filter(({ node }) => !state.nodes.has(node));
  if (mode === "live") return { workflow, taken };
  const { version } = recording.state;
  const id = definitionId(recording.state.workflowId, await records.meta(executionId));
  const recorded = await workflows?.get(id, version).catch(() => undefined);
  const record = { recording, workflow: recorded, times: await timesOf(records, recording), execution: identity };
  return { workflow: stubOf(workflow, { limits })(record), taken };
}
