/**
 * Progress documents: what is kept ready of how far an execution is. They are folds of the log up to an entry that they
 * name, so whoever makes one, and however often, it says the same.
 */
import type { JsonValue } from "../lib/json.ts";
import { type NodeErrorData, UnavailableError } from "../lib/errors.ts";
import { withoutLoneSurrogates } from "../lib/lone_surrogates.ts";
import { definitionId } from "../execution/definition_id.ts";
import { isEnded, type StoredEvent } from "../execution/event.ts";
import { progressOf } from "../execution/progress.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** How far an execution is, as `/api/workflow-state` shows it. Times are epoch milliseconds. */
export interface ProgressDocument {
  readonly executionId: string;
  readonly workflowId: string;
  /** A paused execution counts as one that runs. */
  readonly status: "pending" | "running" | "completed" | "failed" | "cancelled";
  /** Percent, 0 to 100, whole. */
  readonly progress: number;
  /** The node that started last and has not ended, or null. */
  readonly currentStep: string | null;
  readonly totalSteps: number;
  readonly completedSteps: number;
  /** What a node, or the program that runs the execution, reported last; `{}` before that. */
  readonly data: JsonValue;
  /** Until it starts, the time of its request. */
  readonly startedAt: number;
  /** The time of its last event. */
  readonly updatedAt: number;
  readonly estimatedCompletion?: number;
  readonly error?: NodeErrorData;
}

/** A document as it is kept. */
export interface KeptDocument {
  readonly document: ProgressDocument;
  /** The last log entry in it: a document that has more in it is never overwritten by one that has less. */
  readonly upTo: string;
}

/** How long an execution must have run to get a document, in milliseconds: a shorter one costs its index entries. */
export const YOUNG_MS = 200;
/** How long a document outlives the end of its execution, and its last change before, in milliseconds. */
export const ENDED_TTL_MS = 60_000;
export const RUNNING_TTL_MS = 3_600_000;

/** Whether an execution that has ended took so long that it has a document, or had one. */
export function hasDocument({ requestedAt, endedAt }: { requestedAt: number; endedAt: number }): boolean {
  return endedAt - requestedAt >= YOUNG_MS;
}

/** When the document expires, in epoch milliseconds. */
export function expiryOf(ended: { endedAt: number; keptUntil: number } | undefined, now: number): number {
  return ended === undefined ? now + RUNNING_TTL_MS : Math.min(ended.endedAt + ENDED_TTL_MS, ended.keptUntil);
}

/** A log, folded as far as it was read. */
export interface Folded {
  readonly state: RunState;
  /** The last event read; absent before any. */
  last?: Pick<StoredEvent, "id" | "time">;
}

/** Definitions by id and version. */
export interface Definitions {
  get(id: string, version: number): Promise<CompiledWorkflow | undefined>;
}

/** Folds what a log has behind what was folded before. */
export async function foldOn(
  log: Pick<ExecutionLog, "pages">,
  executionId: string,
  folded: Folded = { state: emptyState() },
): Promise<Folded> {
  const after = folded.last === undefined ? {} : { after: folded.last.id };
  for await (const page of log.pages(executionId, { values: false, ...after })) {
    for (const event of page) applyEvent(folded.state, event);
    folded.last = page.at(-1)!;
  }
  return folded;
}

/** The definitions for an execution that may be an imported one, which brought its own. */
export function definitionsOf(
  executionId: string,
  { log, workflows }: { log: Pick<ExecutionLog, "meta">; workflows: Definitions },
): Definitions {
  return {
    get: async (id, version) => await workflows.get(definitionId(id, await log.meta(executionId)), version),
  };
}

/** The document of a folded log; `undefined` when there is no log. */
export async function documentOf(
  executionId: string,
  { state, last }: Folded,
  workflows: Definitions,
): Promise<KeptDocument | undefined> {
  if (last === undefined || state.version === 0) return undefined;
  const { workflowId, version, status, requestedAt, startedAt = requestedAt, error } = state;
  // The definition only tells how many nodes there are: the rest can be said without it.
  const workflow = await workflows.get(workflowId, version).catch((error) => {
    if (error instanceof UnavailableError) throw error;
    return undefined;
  });
  // Nodes and other programs report what they like, and not every store keeps it.
  const document = withoutLoneSurrogates<ProgressDocument>({
    executionId,
    workflowId,
    status: status === "paused" ? "running" : status,
    ...progressOf(state, { steps: workflow?.definition.nodes.length, at: last.time }),
    data: state.data ?? {},
    startedAt,
    updatedAt: last.time,
    ...(error !== undefined && { error }),
  });
  return { document, upTo: last.id };
}

/**
 * What to report when the document of one execution cannot be made or kept: the others go on. Throws what concerns all
 * of them, `UnavailableError`.
 */
export function noDocument(executionId: string, error: unknown): Error {
  if (error instanceof UnavailableError) throw error;
  return new Error(`Execution ${executionId} has no document of its progress`, { cause: error });
}

/** What {@linkcode currentDocument} reads. */
export interface DocumentSources {
  readonly log: Pick<ExecutionLog, "meta" | "pages" | "read">;
  readonly projections: { progress(executionId: string): Promise<KeptDocument | undefined> };
  readonly workflows: Definitions;
}

/** How far an execution is now: what the assembler has kept, unless the log has more. `undefined` when there is none. */
export async function currentDocument(
  { log, projections, workflows }: DocumentSources,
  executionId: string,
): Promise<ProgressDocument | undefined> {
  const kept = await projections.progress(executionId);
  if (kept !== undefined) {
    const isCurrent = isEnded(kept.document.status) ||
      (await log.read(executionId, { after: kept.upTo, limit: 1, values: false })).length === 0;
    if (isCurrent) return kept.document;
  }
  const definitions = definitionsOf(executionId, { log, workflows });
  return (await documentOf(executionId, await foldOn(log, executionId), definitions))?.document;
}
