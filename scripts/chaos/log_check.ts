/**
 * Checks the log of one execution.
 */
import type { StoredEvent } from "../../src/execution/event.ts";
import { isTerminal } from "../../src/execution/event.ts";
import type { ExecutionResult } from "../../src/execution/result.ts";
import type { Breach } from "./breach.ts";
import { paced } from "./pace.ts";

/** How far the clocks of a log and of who was called may be apart, in milliseconds: a busy machine reads them late. */
const BLUR_MS = 100;

/** An execution as Redis has it. */
export interface Execution {
  readonly id: string;
  readonly events: readonly StoredEvent[];
  /** The stored result, unless it has expired. */
  readonly result: ExecutionResult | undefined;
  /** Which of its keys are kept for ever: none once it has ended. */
  readonly eternal?: readonly string[];
}

/** The key of the call that asked for it: it is in the body that was posted. */
export function keyOf({ events }: Execution): string | undefined {
  const [first] = events;
  if (first?.type !== "execution.requested") return undefined;
  return (first.data.input as { body?: { key?: string } } | null)?.body?.key;
}

/** Epoch milliseconds at which an execution's id was made (RFC 9562, section 5.7). */
export function requestedAt(id: string): number {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

/** True when the log has a terminal event. */
export function hasEnded({ events }: Execution): boolean {
  return events.some(isTerminal);
}

/**
 * Breaches in an execution that has ended.
 *
 * @param callsOf when a node's `httpRequest` reached the other side, in epoch milliseconds
 * @param options.rewound part of its log may have been lost, and written again
 */
export function checkLog(
  execution: Execution,
  callsOf: (nodeId: string) => readonly number[],
  { rewound = false }: { rewound?: boolean } = {},
): Breach[] {
  const { id, events, result, eternal = [] } = execution;
  const breaches: Breach[] = [];
  const found = (kind: Breach["kind"], what: string) => {
    breaches.push({ kind, detail: `${id}: ${what}: ${story(events)}` });
  };
  if (events[0]?.type !== "execution.requested") found("wrong", "the log does not begin with the request");
  const requests = events.filter(({ type }) => type === "execution.requested").length;
  if (requests > 1) found("duplicated", `${requests} requests`);
  if (eternal.length > 0) found("leaked", `kept for ever: ${eternal.join(", ")}`);
  const ends = events.filter(isTerminal);
  if (ends.length !== 1) found("duplicated", `${ends.length} terminal events`);
  else if (events.at(-1) !== ends[0]) found("wrong", "events after the terminal one");
  const epochs = events.flatMap((event) => event.type === "execution.started" ? [event.data.epoch] : []);
  const claims = epochs.length;
  if (epochs.some((epoch, i) => i > 0 && epoch <= epochs[i - 1]!)) found("duplicated", `epochs ${epochs.join(", ")}`);
  for (const node of new Set(events.flatMap(({ node }) => node === undefined ? [] : [node]))) {
    const its = events.filter((event) => event.node === node);
    const completed = its.filter(({ type }) => type === "node.completed");
    if (completed.length > 1) found("duplicated", `${node} completed ${completed.length} times`);
    const after = its.slice(its.findIndex(({ type }) => type === "node.completed") + 1);
    if (completed.length > 0 && after.some(({ type }) => type === "node.started")) {
      found("duplicated", `${node} started again after it had completed`);
    }
    const retries = its.flatMap((event) => event.type === "node.retrying" ? [event.data.attempt] : []);
    if (retries.some((attempt, i) => i > 0 && attempt <= retries[i - 1]!)) {
      found("wrong", `${node} counted its attempts ${retries.join(", ")}`);
    }
    if (rewound) continue;
    const calls = callsOf(node);
    const starts = its.filter(({ type }) => type === "node.started").length;
    // A node in flight may run twice, but each run is in the log before it calls: no call without a start.
    if (calls.length > starts) found("duplicated", `${node} called ${calls.length} times for ${starts} starts`);
    // With one claim nobody else can have run it: nothing may call after the completion was written.
    const late = calls.filter((time) => completed[0] !== undefined && time > completed[0].time + paced(BLUR_MS));
    if (claims === 1 && late.length > 0) found("duplicated", `${node} called again after it had completed`);
  }
  if (result !== undefined && ends.length === 1 && !agrees(result, events)) {
    found("wrong", `the stored result is not the log's: ${JSON.stringify(result)}`);
  }
  return breaches;
}

/** What the log says that its caller must get: the response of `httpResponse`, else the last node's output. */
export function outcomeOf(events: readonly StoredEvent[]): { status: string; response?: unknown; output?: unknown } {
  const end = events.find(isTerminal);
  const outputOf = (node: string | undefined) => {
    const completed = events.find((event) => event.type === "node.completed" && event.node === node);
    return completed?.type === "node.completed" ? completed.data.output : undefined;
  };
  if (end?.type !== "execution.completed" && end?.type !== "execution.failed") {
    return { status: end?.type.slice("execution.".length) ?? "running" };
  }
  const { responseNode } = end.data;
  const response = responseNode === undefined ? {} : { response: outputOf(responseNode) };
  if (end.type === "execution.failed") return { status: "failed", ...response };
  return { status: "completed", output: outputOf(end.data.lastNode), ...response };
}

function agrees(result: ExecutionResult, events: readonly StoredEvent[]): boolean {
  const { status, response, output } = outcomeOf(events);
  if (result.status !== status) return false;
  // A failure keeps the response only where its caller was given it early.
  if (status === "failed" && result.response === undefined) return true;
  return sameJson(result.response, response) && (status !== "completed" || sameJson(result.output, output));
}

/** True when both are the same JSON, members in any order. */
export function sameJson(a: unknown, b: unknown): boolean {
  return stable(a) === stable(b);
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_, item) => {
    if (item === null || typeof item !== "object" || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : 1));
  }) ?? "";
}

/** The log in one line. */
export function story(events: readonly StoredEvent[]): string {
  return events.map(({ id, type, node, data }) => {
    const { epoch, worker, attempt } = data as { epoch?: number; worker?: string; attempt?: number };
    const about = type === "execution.started" ? ` ${epoch} ${worker}` : attempt === undefined ? "" : ` #${attempt}`;
    return `${id.slice(-8)} ${type.replace("execution.", "")}${node === undefined ? "" : ` ${node}`}${about}`;
  }).join(", ");
}
