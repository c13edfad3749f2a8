/**
 * The assembler: reads the feed in batches and keeps projections: lists, counters, and a progress document for every
 * execution that takes longer than a batch. Folding the logs gives the same.
 *
 * Invariants:
 * 1. A batch is acknowledged in the step that applies it: applied twice changes nothing.
 * 2. A document is written only for an execution that has run for a while; a shorter one gets index entries alone.
 * 3. Documents are folds of the log, so it does not matter which assembler writes one, or how late.
 */
import { applyEvent, countSteps, emptyState } from "../execution/state.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { FeedEntry, ProgressDocument, Projections } from "./projections.ts";
import { pause } from "../lib/delay.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";

/** Longest blocked read of the feed, and the interval of sweeps, in milliseconds. */
const BLOCK_MS = 5000;
const SWEEP_MS = 1000;
/** Batching window after a first entry, in milliseconds, and the largest batch. */
const GATHER_MS = 20;
const BATCH = 500;
/** Age at which an execution gets a progress document, in milliseconds. */
const YOUNG_MS = 200;

/** Options of an {@linkcode Assembler}. */
export interface AssemblerOptions {
  readonly log: Pick<ExecutionLog, "pages">;
  readonly projections: Projections;
  readonly workflows: { get(id: string, version: number): Promise<CompiledWorkflow | undefined> };
  readonly onError?: (error: unknown) => void;
}

/** Keeps the projections until it is stopped. */
export class Assembler {
  readonly #options: AssemblerOptions;
  readonly #stop = new AbortController();
  /** Executions that have just begun, and when their document is due, by the monotonic clock. */
  readonly #young = new Map<string, { entry: FeedEntry; dueAt: number }>();
  #loop: Promise<void> | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;

  constructor(options: AssemblerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#run();
    this.#sweeper ??= setInterval(() => {
      this.#options.projections.sweep().catch((error) => this.#options.onError?.(error));
    }, SWEEP_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { projections, onError } = this.#options;
    while (!signal.aborted) {
      try {
        const blockMs = this.#young.size > 0 ? YOUNG_MS : BLOCK_MS;
        const entries = await projections.takeFeed({ count: BATCH, blockMs, signal });
        await this.#assemble(entries);
        if (entries.length > 0 && entries.length < BATCH) await pause(GATHER_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        onError?.(error);
        await pause(200 + Math.random() * 300, signal);
      }
    }
  }

  async #assemble(entries: readonly FeedEntry[]): Promise<void> {
    const newest = new Map<string, FeedEntry>();
    for (const entry of entries) newest.set(entry.executionId, entry);
    const due: FeedEntry[] = [];
    for (const [id, entry] of newest) {
      const { ended } = entry;
      if (ended !== undefined) {
        this.#young.delete(id);
        if (ended.endedAt - ended.requestedAt >= YOUNG_MS) due.push(entry);
      } else if (entry.types.includes("execution.started")) {
        this.#young.set(id, { entry, dueAt: performance.now() + YOUNG_MS });
      } else if (!this.#young.has(id) && !entry.types.includes("execution.requested")) due.push(entry);
    }
    for (const [id, { entry, dueAt }] of this.#young) {
      if (dueAt > performance.now()) break;
      this.#young.delete(id);
      due.push(entry);
    }
    await Promise.all(due.map((entry) => this.#document(entry)));
    if (entries.length > 0) await this.#options.projections.applyFeed(entries);
  }

  async #document(entry: FeedEntry): Promise<void> {
    const { log, projections, workflows } = this.#options;
    const workflow = await workflows.get(entry.workflowId, entry.version);
    const state = emptyState();
    let updatedAt: number | undefined;
    for await (const page of log.pages(entry.executionId, { values: false })) {
      for (const event of page) applyEvent(state, event);
      updatedAt = page.at(-1)!.time;
    }
    if (updatedAt === undefined) return;
    const { done, current } = countSteps(state);
    const total = Math.max(workflow?.definition.nodes.length ?? 0, state.nodes.size, 1);
    const document: ProgressDocument = {
      executionId: entry.executionId,
      workflowId: entry.workflowId,
      version: entry.version,
      status: state.status,
      progress: state.status === "completed" ? 100 : Math.floor((100 * done) / total),
      currentStep: current,
      completedSteps: done,
      totalSteps: total,
      requestedAt: state.requestedAt,
      updatedAt,
      etaMs: state.endedAt !== undefined
        ? 0
        : estimate({ done, total, tookMs: updatedAt - (state.startedAt ?? state.requestedAt) }),
    };
    await projections.putProgress(document);
  }
}

/** Milliseconds left if the rest goes at the pace so far; null before anything but the trigger has ended. */
function estimate({ done, total, tookMs }: { done: number; total: number; tookMs: number }): number | null {
  return done <= 1 ? null : Math.round((tookMs / (done - 1)) * (total - done));
}
