/**
 * The progress of an execution, derived from its events alone, so that every reader gets the same.
 */
import { checkJson, isJsonObject, type JsonValue } from "../lib/json.ts";
import type { EventData } from "./event.ts";
import type { RunState } from "./state.ts";

/** What is kept of reported data, in characters of JSON and in levels: larger is not shown. */
export const REPORT_LIMITS = { maxSize: 16_384, maxDepth: 64 } as const;

/** The progress that the runner of an execution has reported. */
export interface Report {
  /** 0 to 100. */
  percent?: number;
  totalSteps?: number;
  completedSteps?: number;
  currentStep?: string | null;
}

/** How far an execution is. */
export interface Progress {
  /** Percent, 0 to 100, whole. */
  readonly progress: number;
  /** The node that started last and has not ended, or null. */
  readonly currentStep: string | null;
  readonly totalSteps: number;
  readonly completedSteps: number;
  /** When it will probably end, in epoch milliseconds; absent while there is nothing to tell it from. */
  readonly estimatedCompletion?: number;
}

/**
 * How far a state is. Steps are nodes, the trigger counted, and a node that reports a percentage counts for as much of
 * a step; of an execution that another program runs they are what it says.
 *
 * @param options.steps how many nodes the workflow has, if that is known
 * @param options.at the time of the last event, in epoch milliseconds
 */
export function progressOf(state: RunState, options: { steps?: number | undefined; at: number }): Progress {
  const { report, status } = state;
  const { done, current, part } = countSteps(state);
  const isReported = report?.totalSteps !== undefined || report?.percent !== undefined;
  const known = Math.max(options.steps ?? 0, state.nodes.size, 1);
  // Another program runs it and has not said how much there is, or the definition is gone: nothing is known of an end.
  const isUnknown = known === 1 && !isReported && status !== "completed";
  const totalSteps = report?.totalSteps ?? Math.max(known, report?.completedSteps ?? 0);
  // The trigger is none of the steps that another program counts.
  const ownSteps = isReported || isUnknown ? Math.max(0, done - 1) : done;
  const completedSteps = Math.min(report?.completedSteps ?? ownSteps, totalSteps);
  const reported = isUnknown ? 0 : report?.percent === undefined ? undefined : report.percent / 100;
  const share = reported ?? Math.min(1, (completedSteps + part) / totalSteps);
  // What took no time of its own says nothing of the pace.
  const [paced, all] = isReported ? [share, 1] : [done + part - 1, totalSteps - 1];
  const isActive = status === "running" || status === "paused";
  return {
    progress: status === "completed" ? 100 : status === "pending" ? 0 : Math.floor(100 * share + 1e-9),
    currentStep: isActive || status === "pending" ? report?.currentStep ?? current : null,
    totalSteps,
    completedSteps: status === "completed" && isReported ? totalSteps : completedSteps,
    ...(isActive && paced > 0 && { estimatedCompletion: estimate(state, { at: options.at, share: paced / all }) }),
  };
}

/** At the pace so far; no earlier than a node that waits goes on. */
function estimate(state: RunState, { at, share }: { at: number; share: number }): number {
  const tookMs = at - (state.startedAt ?? state.requestedAt);
  const dueAt = [...state.nodes.values()].map((node) => node.dueAt ?? 0);
  return Math.max(at + Math.round(tookMs * (1 / Math.min(1, share) - 1)), ...dueAt);
}

/** How many nodes have ended, what part of a step those that have not report, and which of these started last. */
function countSteps(state: RunState): { done: number; part: number; current: string | null } {
  let [done, part] = [0, 0];
  let current: string | null = null;
  for (const [id, node] of state.nodes) {
    if (node.endedAt !== undefined) done++;
    else {
      current = id;
      part += (node.percent ?? 0) / 100;
    }
  }
  return { done, part, current };
}

/** Takes what an `execution.progress` event reports. */
export function takeReport(state: RunState, { data, ...report }: EventData["execution.progress"]): void {
  state.report = { ...state.report, ...report };
  if (data !== undefined) state.data = shown(data);
}

/** Takes what a `node.progress` event reports: of `{percent?, data?}` both, else all of it as data. */
export function takeNodeReport(state: RunState, node: { percent?: number }, data: JsonValue): void {
  const percent = isJsonObject(data) ? data["percent"] : undefined;
  if (typeof percent === "number" && percent >= 0 && percent <= 100) node.percent = percent;
  const isReport = isJsonObject(data) && (percent !== undefined || Object.hasOwn(data, "data"));
  const rest = isReport ? data["data"] : data;
  if (rest !== undefined) state.data = shown(rest);
}

/** Documents hold no more than this; the event has all of it. */
function shown(data: JsonValue): JsonValue {
  return checkJson(data, REPORT_LIMITS) === undefined ? data : null;
}
