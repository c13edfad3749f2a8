/**
 * Runs backtests: recorded executions through a draft, in memory, one after the other.
 *
 * 1. Nothing is written and nothing is called: a stub answers for every node with side effects.
 * 2. Recordings are read a few ahead, each bounded in bytes; reports are given as they are taken.
 * 3. It gives way to others every few milliseconds, and an instance runs {@linkcode AT_ONCE} of them at most.
 */
import { pause } from "../lib/delay.ts";
import { MillraceError } from "../lib/errors.ts";
import { definitionId } from "../execution/definition_id.ts";
import { isHandedOut } from "../execution/execution_request.ts";
import { CREATED_NODE, EXTERNAL_NODE } from "../execution/external_event.ts";
import type { ExecutionLog, ExecutionMeta } from "../execution/log.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import {
  BacktestCounts,
  type BacktestItem,
  type BacktestOptions,
  type Backtests,
  compareRuns,
  type ExecutionReport,
  incomparable,
  withoutTrigger,
} from "../replay/backtest.ts";
import { identityOf, readRecording, type Recording, timesOf } from "../replay/recording.ts";
import { type Stub, stubOf } from "../replay/stub.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { rehearse } from "./rehearse.ts";
import { RunControl } from "./run_control.ts";

/** How many backtests an instance runs at once. */
const AT_ONCE = 2;
/** How many recordings are read at once, while as many wait for their turn, and how large one may be. */
const AT_A_TIME = 8;
const RECORDING_BYTES = 2 ** 23;
/** How long it works before it gives way, in milliseconds. */
const SHARE_MS = 8;

/** What a {@linkcode Backtester} needs. */
export interface BacktesterOptions {
  /** The logs of the recorded executions. */
  readonly log: Pick<ExecutionLog, "pages" | "meta">;
  /** The stored versions of workflows; a draft is compiled and not stored. */
  readonly workflows: {
    get(id: string, version?: number): Promise<CompiledWorkflow | undefined>;
    /** Compiles a draft. Throws `InvalidWorkflowError`. */
    compile(id: string, definition: unknown): CompiledWorkflow;
  };
  /** Of the expressions with which calls are compared. */
  readonly limits?: ExpressionLimits;
  /** The largest output of a node, in characters of JSON. */
  readonly outputLimitBytes: number;
}

/** {@linkcode Backtests} of one instance. */
export class Backtester implements Backtests {
  readonly #options: BacktesterOptions;
  #running = 0;

  constructor(options: BacktesterOptions) {
    this.#options = options;
  }

  async start(options: BacktestOptions): Promise<AsyncIterable<BacktestItem>> {
    if (this.#running >= AT_ONCE) {
      throw new MillraceError("too_many_backtests", `This instance runs ${AT_ONCE} backtests already`, {
        headers: { "retry-after": "1" },
      });
    }
    let released = false;
    const release = () => {
      if (!released) this.#running--;
      released = true;
    };
    this.#running++;
    try {
      const items = this.#items(await this.#draft(options), options);
      options.signal.addEventListener("abort", release, { once: true });
      const done = async (result: Promise<IteratorResult<BacktestItem>>) => {
        const settled = await result.catch((error) => {
          release();
          throw error;
        });
        if (settled.done) release();
        return settled;
      };
      // Not the generator itself: one that never began would not hear of its end.
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => done(items.next()),
          return: () => {
            release();
            return items.return(undefined);
          },
        }),
      };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #draft({ workflowId, definition, version }: BacktestOptions): Promise<CompiledWorkflow> {
    const { workflows } = this.#options;
    if (definition !== undefined) return workflows.compile(workflowId, definition);
    const found = await workflows.get(workflowId, version);
    if (found !== undefined) return found;
    const which = version === undefined ? "" : ` in version ${version}`;
    throw new MillraceError("workflow_not_found", `No workflow has the id "${workflowId}"${which}`);
  }

  async *#items(draft: CompiledWorkflow, { executions, signal }: BacktestOptions): AsyncGenerator<BacktestItem> {
    const counts = new BacktestCounts();
    const stub = stubOf(draft, { limits: this.#options.limits });
    const control = new RunControl({ paused: false });
    const onAbort = () => control.stop(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      let since = performance.now();
      for await (const { executionId, found } of this.#readAhead(executions)) {
        signal.throwIfAborted();
        const execution = typeof found === "string"
          ? { executionId, outcome: "skipped" as const, reason: found }
          : await this.#report(found, { draft, stub, control });
        counts.add(execution);
        yield { execution };
        if (performance.now() - since < SHARE_MS) continue;
        await pause(0);
        since = performance.now();
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    yield { summary: counts.summary() };
  }

  async #report(
    { recording, meta }: Found,
    { draft, stub, control }: { draft: CompiledWorkflow; stub: Stub; control: RunControl },
  ): Promise<ExecutionReport> {
    const { log, workflows, outputLimitBytes } = this.#options;
    const { executionId } = recording;
    const reason = incomparable(recording, draft.id);
    if (reason !== undefined) return { executionId, outcome: "skipped", reason };
    const { workflowId, version, trigger, requestedAt, nodes } = recording.state;
    const id = definitionId(workflowId, meta);
    const workflow = await workflows.get(id, version).catch(() => undefined);
    if (ranElsewhere(recording, workflow)) return { executionId, outcome: "skipped", reason: "Another program ran it" };
    if (!draft.graph.get(trigger)?.isTrigger) return withoutTrigger(recording);
    const record = { recording, workflow, times: await timesOf(log, recording), execution: identityOf(recording) };
    const state = await rehearse(stub(record), {
      executionId,
      trigger,
      input: nodes.get(trigger)?.output ?? null,
      startsAt: requestedAt,
      outputLimitBytes,
      control,
    });
    return compareRuns({ recording, workflow }, { recording: { executionId, state }, workflow: draft });
  }

  /**
   * What is recorded, in the order of the ids. Several are read at once, which costs one trip to the store, while those
   * before them have their turn. A text says why there is nothing.
   */
  async *#readAhead(
    ids: BacktestOptions["executions"],
  ): AsyncGenerator<{ executionId: string; found: Found | string }> {
    const reading: { executionId: string; found: Promise<Found | string> }[] = [];
    let next: string[] = [];
    for await (const executionId of ids) {
      if (next.push(executionId) < AT_A_TIME) continue;
      reading.push(...next.map((id) => this.#begin(id)));
      next = [];
      while (reading.length > AT_A_TIME) yield await settled(reading.shift()!);
    }
    reading.push(...next.map((id) => this.#begin(id)));
    for (const one of reading) yield await settled(one);
  }

  #begin(executionId: string): { executionId: string; found: Promise<Found | string> } {
    const found = this.#read(executionId);
    // Looked at when its turn comes.
    found.catch(() => {});
    return { executionId, found };
  }

  async #read(executionId: string): Promise<Found | string> {
    const { log } = this.#options;
    try {
      const [recording, meta] = await Promise.all([
        readRecording(log, executionId, { limitBytes: RECORDING_BYTES }),
        log.meta(executionId),
      ]);
      return recording === undefined ? "It is unknown, or has expired" : { recording, meta };
    } catch (error) {
      if (error instanceof MillraceError && error.code === "recording_too_large") return "Its log is too large";
      throw error;
    }
  }
}

/** Of what another program ran nothing was run by nodes. */
function ranElsewhere({ state }: Recording, workflow: CompiledWorkflow | undefined): boolean {
  const { trigger, nodes, fork } = state;
  if (trigger === CREATED_NODE || trigger === EXTERNAL_NODE) return true;
  if (nodes.has(EXTERNAL_NODE) && !workflow?.graph.has(EXTERNAL_NODE)) return true;
  return workflow !== undefined && isHandedOut({ workflow, trigger, fork });
}

async function settled<T>({ executionId, found }: { executionId: string; found: Promise<T> }) {
  return { executionId, found: await found };
}

/** One recorded execution. */
interface Found {
  readonly recording: Recording;
  readonly meta: ExecutionMeta | undefined;
}
