/**
 * Backtests: what a draft of a workflow would have changed about recorded executions.
 */
import type { JsonValue } from "../lib/json.ts";
import { type NodeErrorData, NOT_RECORDED, publicError } from "../lib/errors.ts";
import { type ExecutionStatus, isEnded } from "../execution/event.ts";
import type { NodeState } from "../execution/state.ts";
import { type ComparedRun, diffRuns } from "./diff.ts";
import type { Recording } from "./recording.ts";

/** `unanswered`: the record could not answer a call, so nobody knows; `skipped`: there was nothing to compare. */
export type BacktestOutcome = "same" | "changed" | "unanswered" | "skipped";

/** What a node came to; `null` where it did not run, or was not there. */
export interface NodeOutcome {
  readonly status: NodeState["status"];
  readonly output?: JsonValue;
  /** The outputs that deliver, where it is not `main` alone. */
  readonly outputs?: readonly string[];
  readonly error?: Omit<NodeErrorData, "detail">;
}

/** A node that would come to something else. */
export interface NodeChange {
  readonly node: string;
  /** It was given the same as then: the change begins here, and does not only follow from another. */
  readonly origin: boolean;
  readonly recorded: NodeOutcome | null;
  readonly new: NodeOutcome | null;
}

/** What a draft would have changed about one execution. */
export interface ExecutionReport {
  readonly executionId: string;
  readonly outcome: BacktestOutcome;
  /** Why it was skipped. */
  readonly reason?: string;
  /** Where something changed. */
  readonly status?: { readonly recorded: ExecutionStatus; readonly new: ExecutionStatus };
  readonly nodes?: readonly NodeChange[];
  /** The calls that the record has no answer to. */
  readonly unanswered?: readonly { readonly node: string; readonly reason: string }[];
}

/** What a backtest came to. */
export interface BacktestSummary extends Readonly<Record<BacktestOutcome, number>> {
  readonly executions: number;
  /** For each node how many executions it would have come to something else in. */
  readonly nodes: Readonly<Record<string, number>>;
  /** For each node how many of its calls could not be answered. */
  readonly unansweredNodes: Readonly<Record<string, number>>;
  readonly tookMs: number;
}

/** What a backtest gives: a report an execution, then the summary. */
export type BacktestItem = { readonly execution: ExecutionReport } | { readonly summary: BacktestSummary };

/** What to backtest. */
export interface BacktestOptions {
  /** The workflow whose recorded executions are run again. */
  readonly workflowId: string;
  /** The draft as raw JSON; else the version, or the newest one. */
  readonly definition?: unknown;
  /** A stored version to run instead of a draft; the newest one by default. */
  readonly version?: number | undefined;
  /** The ids of the executions, in the order of their reports. */
  readonly executions: AsyncIterable<string> | Iterable<string>;
  /** Ends the backtest. */
  readonly signal: AbortSignal;
}

/** Runs backtests. */
export interface Backtests {
  /**
   * Begins a backtest, which ends when its items are no longer taken or its signal aborts. It reads what was recorded;
   * it writes nothing and calls nothing.
   *
   * @throws {MillraceError} `too_many_backtests`, `workflow_not_found`, `invalid_workflow`
   */
  start(options: BacktestOptions): Promise<AsyncIterable<BacktestItem>>;
}

/** Failures that come from outside of a workflow: what it would do tells nothing about them. */
const OUTSIDE = new Set(["execution_timeout", "dead_letter", "worker_lost", "log_limit", "storage_full"]);

/** Why a recording says nothing about a workflow; `undefined` where it does. */
export function incomparable({ state, events }: Recording, workflowId: string): string | undefined {
  if (state.workflowId !== workflowId) return `It is an execution of "${state.workflowId}"`;
  if (!isEnded(state.status)) return "It has not ended";
  if (state.status === "cancelled") return "It was cancelled";
  if (state.error !== undefined && OUTSIDE.has(state.error.code)) return `It ended from outside: ${state.error.code}`;
  const [requested] = events;
  return requested?.type === "execution.requested" && requested.data.fork?.from !== undefined
    ? "It is a fork that began in the middle"
    : undefined;
}

/** What the draft cannot begin changes everything. */
export function withoutTrigger({ executionId, state: { trigger } }: Recording): ExecutionReport {
  return { executionId, outcome: "changed", reason: `There is no trigger "${trigger}" any more`, nodes: [] };
}

/** Compares what was recorded with what the draft came to. */
export function compareRuns(recorded: ComparedRun, made: ComparedRun): ExecutionReport {
  const { executionId, state } = recorded.recording;
  const { nodes: news, status } = made.recording.state;
  const unanswered = [...news].flatMap(([node, { error }]) =>
    error?.code === NOT_RECORDED ? [{ node, reason: error.message }] : []
  );
  const bothFailed = state.status === "failed" && status === "failed";
  const nodes = diffRuns(recorded, made).nodes
    .filter(({ node, changed }) => {
      const [before, after] = [state.nodes.get(node), news.get(node)];
      if (changed.every((aspect) => aspect === "input")) return false;
      // What a failure elsewhere cut off then, or would now, is a matter of moments.
      if (before !== undefined && before.endedAt === undefined) return false;
      return !(after?.endedAt === undefined && (bothFailed || unanswered.length > 0));
    })
    .filter(({ node }) => !unanswered.some((it) => it.node === node))
    .map(({ node, changed }): NodeChange => ({
      node,
      origin: !changed.includes("input"),
      recorded: outcomeOf(state.nodes.get(node)),
      new: outcomeOf(news.get(node)),
    }));
  const isSame = nodes.length === 0 && (status === state.status || unanswered.length > 0);
  const outcome = unanswered.length > 0 ? "unanswered" : isSame ? "same" : "changed";
  return {
    executionId,
    outcome,
    ...(outcome !== "same" && { status: { recorded: state.status, new: status }, nodes }),
    ...(unanswered.length > 0 && { unanswered }),
  };
}

function outcomeOf(node: NodeState | undefined): NodeOutcome | null {
  if (node === undefined) return null;
  const { status, output, outputs, error } = node;
  return {
    status,
    ...(output !== undefined && { output }),
    ...(outputs && { outputs }),
    ...(error && { error: publicError(error) }),
  };
}

/** Counts reports. */
export class BacktestCounts {
  readonly #startedAt = performance.now();
  readonly #outcomes: Record<BacktestOutcome, number> = { same: 0, changed: 0, unanswered: 0, skipped: 0 };
  readonly #nodes = new Map<string, number>();
  readonly #unanswered = new Map<string, number>();

  add({ outcome, nodes = [], unanswered = [] }: ExecutionReport): void {
    this.#outcomes[outcome]++;
    for (const { node } of nodes) this.#nodes.set(node, (this.#nodes.get(node) ?? 0) + 1);
    for (const { node } of unanswered) this.#unanswered.set(node, (this.#unanswered.get(node) ?? 0) + 1);
  }

  /** What was counted so far. */
  summary(): BacktestSummary {
    const { same, changed, unanswered, skipped } = this.#outcomes;
    return {
      executions: same + changed + unanswered + skipped,
      same,
      changed,
      unanswered,
      skipped,
      nodes: Object.fromEntries(this.#nodes),
      unansweredNodes: Object.fromEntries(this.#unanswered),
      tookMs: Math.round(performance.now() - this.#startedAt),
    };
  }
}
