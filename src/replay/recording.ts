/**
 * A recording: the whole log of an execution and what it folds to, for what is compared, forked and run again.
 *
 * Invariant: a recording is bounded in bytes, about, since it lies in memory as a whole.
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
  /** What the events fold to. */
  readonly state: RunState;
  /** When the last attempt at each node started, in epoch milliseconds: what `$now()` said there. */
  readonly startedAt: ReadonlyMap<string, number>;
}

/** The most that a recording may be, in bytes, about: a log that is larger is not looked at as a whole. */
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
  // A page may have this much and one value, so full pages tell the size well enough.
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

/** What `$execution` said: in a stub, that of the execution whose record answered. */
export function identityOf({ executionId, events, state }: Recording): ForkOrigin["identity"] {
  const [requested] = events;
  const fork = requested?.type === "execution.requested" ? requested.data.fork : undefined;
  if (fork?.mode === "stub") return fork.identity;
  return { id: executionId, workflowId: state.workflowId, version: state.version };
}

/**
 * The recording whose times a stub goes by: nodes of a stub saw the times of the record that answered them, not those
 * of its own log. Where that record is gone, its own log is all there is.
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
