/**
 * A recording: the whole log of an execution and its fold, in memory, to be compared, forked or run again.
 *
 * Invariant: a recording has about {@linkcode RECORDING_BYTES} at most.
 */
import { MillraceError } from "../lib/errors.ts";
import type { ExecutionLog } from "../execution/log.ts";
import { PAGE_BYTES } from "../execution/log.ts";
import type { StoredEvent } from "../execution/event.ts";
import type { ForkOrigin } from "../execution/fork.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";

/** One execution's whole log. */
export interface Recording {
  readonly executionId: string;
  readonly events: readonly StoredEvent[];
  /** The fold of the events. */
  readonly state: RunState;
  /** When the last attempt at each node started, in epoch milliseconds: the time that `$now()` returned there. */
  readonly startedAt: ReadonlyMap<string, number>;
}

/** The approximate largest size of a recording, in bytes; a larger log cannot be compared, forked or run again. */
export const RECORDING_BYTES = 2 ** 26;

/**
 * Reads a recording; `undefined` for an unknown execution.
 *
 * @throws {MillraceError} `recording_too_large`
 */
export async function readRecording(
  log: Pick<ExecutionLog, "pages">,
  executionId: string,
  options: { limitBytes?: number } = {},
): Promise<Recording | undefined> {
  const { limitBytes = RECORDING_BYTES } = options;
  const events: StoredEvent[] = [];
  // Only values are counted, page by page: a full page has about PAGE_BYTES of them.
  let bytes = -PAGE_BYTES;
  for await (const page of log.pages(executionId)) {
    bytes += PAGE_BYTES;
    if (bytes > limitBytes) throw recordingTooLarge(executionId, limitBytes);
    events.push(...page);
  }
  return events.length === 0 ? undefined : recordingOf(executionId, events);
}

/** Makes a recording of all the events of an execution. */
export function recordingOf(executionId: string, events: readonly StoredEvent[]): Recording {
  const state = emptyState();
  const startedAt = new Map<string, number>();
  for (const event of events) {
    applyEvent(state, event);
    const { node } = event;
    if (node === undefined) continue;
    if (event.type === "node.started") startedAt.set(node, event.time);
    else if (!startedAt.has(node)) {
      const started = state.nodes.get(node)?.startedAt;
      if (started !== undefined) startedAt.set(node, started);
    }
  }
  return { executionId, events, state, startedAt };
}

/** The value of `$execution` in the run; in a stub, that of the recorded execution. */
export function identityOf({ executionId, events, state }: Recording): ForkOrigin["identity"] {
  const [requested] = events;
  const fork = requested?.type === "execution.requested" ? requested.data.fork : undefined;
  if (fork?.mode === "stub") return fork.identity;
  return { id: executionId, workflowId: state.workflowId, version: state.version };
}

/**
 * The recording whose times the nodes of a run saw: for a stub, that of the execution it was forked from, as long as
 * that exists; otherwise the run's own.
 */
export async function timesOf(log: Pick<ExecutionLog, "pages">, recording: Recording): Promise<Recording> {
  const { id } = identityOf(recording);
  return id === recording.executionId ? recording : await readRecording(log, id) ?? recording;
}

function recordingTooLarge(executionId: string, limitBytes: number): MillraceError {
  return new MillraceError(
    "recording_too_large",
    `The log of the execution "${executionId}" is larger than the ${limitBytes} bytes that are looked at as a whole`,
    { extensions: { executionId, limitBytes } },
  );
}
