/**
 * Reads a bundle. All of it is checked before any of it is used, and faults name their line.
 *
 * Each line is parsed twice, for the check and for its use, so that memory holds little more than the bundle's bytes.
 *
 * @example
 * ```ts
 * const bundle = readBundle(bytes, { parse });
 * for (const event of bundle.events()) await keep(event);
 * ```
 */
import type { z } from "zod";
import { MillraceError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { isExecutionId } from "../lib/uuidv7.ts";
import { isTerminal, type StoredEvent } from "../execution/event.ts";
import { EXTERNAL_NODE } from "../execution/external_event.ts";
import { compareEntryIds } from "../lib/entry_id.ts";
import { applyEvent, emptyState, type RunState } from "../execution/state.ts";
import { endSchema, eventSchema, headSchema, workflowSchema } from "./bundle_schema.ts";

/** The most events that a bundle may have. */
const MAX_EVENTS = 100_000;

/** A checked bundle. */
export interface Bundle {
  readonly head: z.infer<typeof headSchema>;
  /** The version that ran, on line {@linkcode WORKFLOW_LINE}; its definition is not yet checked. */
  readonly workflow: z.infer<typeof workflowSchema> | undefined;
  /** The fold of the events. */
  readonly state: RunState;
  /** The last event, which ended the execution. */
  readonly last: StoredEvent;
  /** The events, parsed again on each call. */
  events(): Iterable<StoredEvent>;
}

/** The number of the line with the workflow, counted from 1. */
export const WORKFLOW_LINE = 2;

/** Options of {@linkcode readBundle}. */
export interface ReadBundleOptions {
  /** Parses the JSON of one line, within the limits of the installation. */
  readonly parse: (line: Uint8Array) => JsonValue;
}

/**
 * Checks a bundle. Throws `invalid_bundle`, whose `errors` name the line (from 1), the JSON pointer in it and the
 * fault.
 */
export function readBundle(bytes: Uint8Array, options: ReadBundleOptions): Bundle {
  const lines = linesOf(bytes);
  const read = (number: number): JsonValue => parseLine(lines[number - 1], number, options);
  const head = check(headSchema, read(1), 1);
  if (!isExecutionId(head.executionId)) throw bundleFault(1, "/executionId", "must be a UUID of version 7");
  const second = read(2);
  const workflow = kindOf(second) === "workflow" ? check(workflowSchema, second, WORKFLOW_LINE) : undefined;
  const first = workflow === undefined ? 2 : 3;
  const state = emptyState();
  const completed = new Set<string>();
  let last: StoredEvent | undefined;
  let at = first;
  for (let value = read(at); kindOf(value) !== "end"; value = read(++at)) {
    const event = checkEvent(value, at, { last, completed });
    if (at - first >= MAX_EVENTS) throw bundleFault(at, "", `has more than ${MAX_EVENTS} events before it`);
    applyEvent(state, event);
    last = event;
  }
  const { events } = check(endSchema, read(at), at);
  if (events !== at - first) throw bundleFault(at, "/events", `says ${events} where there are ${at - first}`);
  if (lines.length > at) throw bundleFault(at + 1, "", "comes after the end");
  if (last === undefined || !isTerminal(last)) {
    throw bundleFault(at, "", "comes before the execution has ended: only what has ended can be imported");
  }
  checkHead(head, { state, workflow });
  return {
    head,
    workflow,
    state,
    last,
    *events() {
      for (let number = first; number < at; number++) yield toEvent(read(number));
    },
  };
}

/** The lines without their breaks; an empty last line is left out. */
function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0x0a, from);
    const until = end === -1 ? bytes.length : end;
    lines.push(bytes.subarray(from, until > from && bytes[until - 1] === 0x0d ? until - 1 : until));
    from = until + 1;
  }
  return lines;
}

function parseLine(line: Uint8Array | undefined, number: number, { parse }: ReadBundleOptions): JsonValue {
  if (line === undefined || line.length === 0) {
    throw bundleFault(number, "", line === undefined ? "is missing: the bundle ends before its end" : "is empty");
  }
  try {
    return parse(line);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw bundleFault(number, "", error.message);
  }
}

function kindOf(value: JsonValue): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value["kind"] : undefined;
}

/** Checks the order of the entries, the first and the last event, and that no node completes twice. */
function checkEvent(
  value: JsonValue,
  line: number,
  { last, completed }: { last: StoredEvent | undefined; completed: Set<string> },
): StoredEvent {
  check(eventSchema, value, line);
  const event = toEvent(value);
  if ((event.type === "execution.requested") !== (last === undefined)) {
    throw bundleFault(line, "/type", "must be execution.requested in the first event, and in no other");
  }
  if (last !== undefined && isTerminal(last)) throw bundleFault(line, "", "comes after the event that ended it all");
  if (last !== undefined && compareEntryIds(event.id, last.id) <= 0) {
    throw bundleFault(line, "/id", `must come after ${last.id}`);
  }
  // Where an older log has a created execution, its input and its result stand under the same name.
  if (event.type === "execution.requested" && event.data.trigger !== EXTERNAL_NODE) completed.add(event.data.trigger);
  if (event.type === "node.completed") {
    const node = event.node!;
    if (completed.has(node)) throw bundleFault(line, "/node", `has completed before: ${node}`);
    completed.add(node);
  }
  return event;
}

function checkHead(head: Bundle["head"], { state, workflow }: Pick<Bundle, "state" | "workflow">): void {
  for (const name of ["workflowId", "version", "status"] as const) {
    if (head[name] !== state[name]) throw bundleFault(1, `/${name}`, `is not what the events say: ${state[name]}`);
  }
  if (workflow !== undefined && (workflow.id !== head.workflowId || workflow.version !== head.version)) {
    throw bundleFault(WORKFLOW_LINE, "/version", `must be version ${head.version} of "${head.workflowId}"`);
  }
}

/** The event of a parsed line. Not the schema's result, which lacks a member called `__proto__`. */
function toEvent(value: JsonValue): StoredEvent {
  const { kind: _kind, ...event } = value as Record<string, JsonValue>;
  return event as unknown as StoredEvent;
}

function check<T>(schema: z.ZodType<T>, value: JsonValue, line: number): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw bundleFault(line, path.map((part) => `/${String(part)}`).join(""), message);
}

/** The error for an invalid bundle. */
export function bundleFault(line: number, pointer: string, detail: string): MillraceError {
  return new MillraceError("invalid_bundle", `Line ${line} of the bundle ${pointer && `at ${pointer} `}${detail}`, {
    extensions: { line, errors: [{ line, pointer, detail }] },
  });
}
