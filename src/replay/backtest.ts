/**
 * Backtests: run recorded executions through a draft of their workflow, and report what would have changed.
 */
import type { JsonValue } from "../lib/json.ts";
import { type NodeErrorData, NOT_RECORDED, publicError } from "../lib/errors.ts";
import { type ExecutionStatus, isEnded } from "../execution/event.ts";
import type { NodeState } from "../execution/state.ts";
import { type ComparedRun, diffRuns } from "./diff.ts";
import type { Recording } from "./recording.ts";

/** `unanswered`: the recording lacks the answer to a call; `skipped`: the execution cannot be compared. */
export type BacktestOutcome = "same" | "changed" | "unanswered" | "skipped";

/** How a node ended; members are `null` when it did not run or does not exist. */
export interface NodeOutcome {
  readonly status: NodeState["status"];
  readonly output?: JsonValue;
  /** The outputs that it delivered on; absent when that is `main` alone. */
  readonly outputs?: readonly string[];
  readonly error?: Omit<NodeErrorData, "detail">;
}

/** A node that would end differently. */
export interface NodeChange {
  readonly node: string;
  /** True when its input is unchanged: the difference begins at this node. */
  readonly origin: boolean;
  readonly recorded: NodeOutcome | null;
  readonly new: NodeOutcome | null;
}

/** The result of a backtest for one execution. */
export interface ExecutionReport {
  readonly executionId: string;
  readonly outcome: BacktestOutcome;
  /** Why the execution was skipped. */
  readonly reason?: string;
  /** Status as recorded and with the draft; present when something changed. */
  readonly status?: { readonly recorded: ExecutionStatus; readonly new: ExecutionStatus };
  readonly nodes?: readonly NodeChange[];
  /** Calls that the recording has no answer to. */
  readonly unanswered?: readonly { readonly node: string; readonly reason: string }[];
}

/** The totals of a backtest. */
export interface BacktestSummary extends Readonly<Record<BacktestOutcome, number>> {
  readonly executions: number;
  /** Number of executions in which each node would have ended differently. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Number of unanswered calls of each node. */
  readonly unansweredNodes: Readonly<Record<string, number>>;
  readonly tookMs: number;
}

/** An item of a backtest: one report for each execution, then the summary. */
export type BacktestItem = { readonly execution: ExecutionReport } | { readonly summary: BacktestSummary };

/** Options of {@linkcode Backtests.start}. */
export interface BacktestOptions {
  /** The workflow whose recorded executions are run again. */
  readonly workflowId: string;
  /** The draft, as JSON that is not yet checked; absent: `version` is run. */
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
   * Starts a backtest, which ends when the iteration is abandoned or its signal aborts. It reads recordings, writes
   * nothing and calls nothing.
   *
   * @throws {MillraceError} `too_many_backtests`, `workflow_not_found`, `invalid_workflow`
   */
  start(options: BacktestOptions): Promise<AsyncIterable<BacktestItem>>;
}

/** Failures that are not caused by the workflow itself, so a draft cannot be compared with them. */
const OUTSIDE = new Set(["execution_timeout", "dead_letter", "worker_lost", "log_limit", "storage_full"]);

/** Why a recording cannot be compared with a workflow; `undefined` when it can. */
export function incomparable({ state, events }: Recording, workflowId: string): string | undefined {
  if (state.workflowId !== workflowId) return `It is an execution of "${state.workflowId}"`;
  if (!isEnded(state.status)) return "It has not ended";
  if (state.status === "cancelled") return "It was cancelled";
  const { error } = state;
  // A node's own failure may have any code.
  if (error !== undefined && error.node === undefined && OUTSIDE.has(error.code)) {
    return `It ended from outside: ${error.code}`;
  }
  const [requested] = events;
  return requested?.type === "execution.requested" && requested.data.fork?.from !== undefined
    ? "It is a fork that began in the middle"
    : undefined;
}

/** The report of an execution whose trigger the draft does not have. */
export function withoutTrigger({ executionId, state: { trigger } }: Recording): ExecutionReport {
  return { executionId, outcome: "changed", reason: `There is no trigger "${trigger}" any more`, nodes: [] };
}

/** Compares a recorded run with the run of the draft. */
export function compareRuns(recorded: ComparedRun, made: ComparedRun): ExecutionReport {
  const { executionId, state } = recorded.recording;
  const { nodes: news, status } = made.recording.state;
  const bothFailed = state.status === "failed" && status === "failed";
  // Which nodes another node's failure interrupts depends on timing.
  const isCutOff = (node: string) =>
    bothFailed && state.nodes.has(node) && state.nodes.get(node)!.endedAt === undefined;
  const unanswered = [...news].flatMap(([node, { error }]) =>
    error?.code === NOT_RECORDED && !isCutOff(node) ? [{ node, reason: error.message }] : []
  );
  const nodes = diffRuns(recorded, made).nodes
    .filter(({ node, changed }) => {
      const [before, after] = [state.nodes.get(node), news.get(node)];
      if (changed.every((aspect) => aspect === "input")) return false;
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

/** Adds up reports. */
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

  /** The totals so far. */
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
