/**
 * The assembler: reads the feed in batches and keeps projections: lists, counters, and a progress document for every
 * execution that takes longer than a batch. Folding the logs gives the same.
 *
 * Invariants:
 * 1. A batch is acknowledged in the step that applies it: applied twice changes nothing.
 * 2. A document is written for an execution that has run for a while. A shorter one costs its index entries only.
 * 3. Documents are folds of the log up to an entry that they name, so whichever assembler writes one, and however late,
 *    it says the same, and never takes back what another has written.
 * 4. The beginning of an execution is acknowledged once it has a document or has ended: if this assembler ends before,
 *    another one is told of it.
 * 5. What is wrong with one execution stops no other: its document is left out, and readers fold its log.
 */
import { LRUCache } from "lru-cache";
import type { ExecutionLog } from "../execution/log.ts";
import { isEnded } from "../execution/event.ts";
import { compareEntryIds } from "../lib/entry_id.ts";
import { FleetingMap } from "../lib/fleeting_map.ts";
import type { Clock } from "../lib/clock.ts";
import { pause } from "../lib/delay.ts";
import {
  type Definitions,
  documentOf,
  expiryOf,
  type Folded,
  foldOn,
  hasDocument,
  noDocument,
  YOUNG_MS,
} from "./progress_document.ts";
import type { FeedEntry, Projections } from "./projections.ts";

/** Longest blocked read of the feed, and the interval of sweeps, in milliseconds. */
const BLOCK_MS = 5000;
const SWEEP_MS = 1000;
/** Batching window after a first entry, in milliseconds, and the largest batch. */
const GATHER_MS = 20;
const BATCH = 500;
/** How many executions' logs are kept folded, to be folded on. */
const FOLDED = 1000;

/** Options of an {@linkcode Assembler}. */
export interface AssemblerOptions {
  /** The store's clock. */
  readonly clock: Clock;
  /** The logs, for documents of executions whose earlier events the assembler has not seen. */
  readonly log: Pick<ExecutionLog, "pages">;
  /** Reads the feed as a consumer group, and keeps documents, lists and counters. */
  readonly projections: Projections;
  /** Finds the definitions, which say how many nodes an execution has. */
  readonly workflows: Definitions;
  /** Called with errors in the background: of one execution, or of all, after which the assembler tries again. */
  readonly onError?: (error: unknown) => void;
}

/** An execution that began to run lately: when its document is due, by the monotonic clock, and what is not acknowledged. */
interface Young {
  readonly dueAt: number;
  readonly held: FeedEntry[];
}

/** Keeps the projections until it is stopped. */
export class Assembler {
  readonly #options: AssemblerOptions;
  readonly #stop = new AbortController();
  /** The oldest first. */
  readonly #young = new FleetingMap<string, Young>();
  readonly #folded = new LRUCache<string, Folded>({ max: FOLDED });
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
        const entries = await projections.takeFeed({ count: BATCH, blockMs: this.#waitMs(), signal });
        await this.#assemble(entries);
        if (entries.length > 0 && entries.length < BATCH) await pause(GATHER_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        // What was taken comes again.
        this.#young.clear();
        onError?.(error);
        await pause(200 + Math.random() * 300, signal);
      }
    }
  }

  /** How long the next read may wait: until the next document is due. */
  #waitMs(): number {
    const [next] = this.#young.values();
    return next === undefined ? BLOCK_MS : Math.max(1, next.dueAt - performance.now());
  }

  async #assemble(entries: readonly FeedEntry[]): Promise<void> {
    const { projections, onError } = this.#options;
    const held = new Set<FeedEntry>();
    /** The newest entry of each whose document is to be written. */
    const due = new Map<string, FeedEntry>();
    const released: FeedEntry[] = [];
    const release = (id: string) => {
      released.push(...this.#young.get(id)?.held ?? []);
      this.#young.delete(id);
    };
    for (const entry of entries) {
      const { executionId: id, ended, types } = entry;
      if (ended !== undefined) {
        release(id);
        for (const other of held) if (other.executionId === id) held.delete(other);
        if (hasDocument(ended) || this.#folded.has(id)) due.set(id, entry);
        else due.delete(id);
      } else if (types.includes("execution.started")) {
        const young = this.#young.get(id) ?? { dueAt: performance.now() + YOUNG_MS, held: [] };
        this.#young.set(id, young);
        young.held.push(entry);
        held.add(entry);
      } else if (!this.#young.has(id) && !types.includes("execution.requested")) due.set(id, entry);
    }
    for (const [id, young] of this.#young) {
      if (young.dueAt > performance.now()) break;
      const [entry] = young.held;
      due.set(id, entry!);
      release(id);
    }
    await Promise.all([...due.values()].map(async (entry) => {
      await this.#document(entry).catch((error) => onError?.(noDocument(entry.executionId, error)));
    }));
    if (entries.length + released.length > 0) await projections.applyFeed([...released, ...entries], held);
  }

  /** Writes what the log comes to, or drops it where the execution ended too soon to have a document. */
  async #document({ executionId, types, ended, last }: FeedEntry): Promise<void> {
    const { clock, log, projections, workflows } = this.#options;
    const before = this.#folded.get(executionId);
    this.#folded.delete(executionId);
    // Late, or for the second time: the document that was made then has it.
    const isKnown = before?.last !== undefined && compareEntryIds(last, before.last.id) <= 0;
    const folded = isKnown ? before : await foldOn(log, executionId, before);
    const { status, requestedAt } = folded.state;
    if (ended === undefined) {
      // The entry of its end says what becomes of its document.
      if (isEnded(status)) return;
      this.#folded.set(executionId, folded);
      // Whoever holds its start writes the first, if it comes to that.
      const isYoung = folded.last !== undefined && folded.last.time - requestedAt < YOUNG_MS;
      if (isYoung && !types.includes("execution.started")) return;
    } else if (!hasDocument(ended) || expiryOf(ended, clock.now()) <= clock.now() || !isEnded(status)) {
      // It ended at once, or its time is over, or the log's was before its end was read.
      return await projections.dropProgress([executionId]);
    }
    const kept = await documentOf(executionId, folded, workflows);
    if (kept !== undefined) await projections.putProgress(kept, ended);
  }
}
