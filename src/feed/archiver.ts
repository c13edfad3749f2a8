/**
 * The archiver: a consumer group of its own on the feed, which puts ended executions into the archive.
 *
 * Invariants:
 * 1. An entry is acknowledged after the transaction that stores its execution has been committed, never before.
 * 2. What must not be saved (`saveExecutionToDatabase: false`) is acknowledged without its log being read.
 * 3. While the archive is unavailable nothing is taken: the backlog stays in the feed, which is held from the start on,
 *    and nothing else is affected.
 * 4. An execution that the archive refuses for good does not block others: it is reported, counted and skipped.
 * 5. Definitions are archived as they are stored, whether this release takes them or not.
 */
import type { ExecutionLog } from "../execution/log.ts";
import { pause } from "../lib/delay.ts";
import type { StoredWorkflow } from "../workflow/definition.ts";
import type { WorkflowStore } from "../workflow/workflow_store.ts";
import { type Archive, ArchiveRefusedError } from "./archive.ts";
import type { ArchiveFeed } from "./archive_feed.ts";
import { archiveChunks } from "./archive_chunks.ts";
import type { FeedEntry } from "./projections.ts";

/** How long one blocked read of the feed, and one wait for the archive, is, in milliseconds. */
const BLOCK_MS = 5000;
/** How long a batch may gather after its first entry, in milliseconds, and its largest size. */
const GATHER_MS = 50;
const BATCH = 1000;
/** The pause after a failure, the first and the longest, in milliseconds. */
const AGAIN_MS = 100;
const AGAIN_MOST_MS = 5000;
/** How many versions are known to be in the archive, at most. */
const KNOWN_VERSIONS = 10_000;

/** What an archiver needs. */
export interface ArchiverOptions {
  /** Names the executions that have ended, as a consumer group. */
  readonly feed: ArchiveFeed;
  /** The logs that are archived. */
  readonly log: Pick<ExecutionLog, "pages">;
  /** The database that takes them. */
  readonly archive: Archive;
  /** Finds the definitions that are archived with their executions. */
  readonly workflows: Pick<WorkflowStore, "get">;
  /** Called with errors in the background, after which the archiver tries again. */
  readonly onError?: (error: unknown) => void;
}

/** What an archiver has not archived. */
export interface ArchiverCounts {
  /** Logs that were gone before they could be archived. */
  readonly lost: number;
  /** Executions that the archive refused. */
  readonly refused: number;
}

/** Archives until it is stopped. */
export class Archiver {
  readonly #options: ArchiverOptions;
  readonly #stop = new AbortController();
  readonly #stored = new Set<string>();
  readonly #counts = { lost: 0, refused: 0 };
  #loop: Promise<void> | undefined;

  constructor(options: ArchiverOptions) {
    this.#options = options;
  }

  /** Since it was started. */
  get counts(): ArchiverCounts {
    return { ...this.#counts };
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { feed, archive, onError } = this.#options;
    let againMs = AGAIN_MS;
    let isReady = false;
    while (!signal.aborted) {
      try {
        // Until it is ready nobody reads the feed, and a store that lost its data has lost who is to read it.
        if (!isReady) await feed.hold();
        isReady = await archive.whenReady({ timeoutMs: BLOCK_MS, signal });
        if (!isReady) continue;
        const entries = await feed.take({ count: BATCH, blockMs: BLOCK_MS, signal });
        if (entries.length > 0) await this.#archive(entries);
        againMs = AGAIN_MS;
        if (entries.length > 0 && entries.length < BATCH) await pause(GATHER_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        feed.again();
        onError?.(error);
        await pause(againMs * (0.5 + Math.random()), signal);
        againMs = Math.min(2 * againMs, AGAIN_MOST_MS);
      }
    }
  }

  async #archive(entries: readonly FeedEntry[]): Promise<void> {
    const { feed } = this.#options;
    const saved = new Map<FeedEntry, StoredWorkflow>();
    const versions = new Map<string, Promise<StoredWorkflow | undefined>>();
    for (const entry of entries) {
      if (entry.ended === undefined) continue;
      const workflow = await this.#workflow(entry, versions);
      if (workflow?.definition.settings.saveExecutionToDatabase) saved.set(entry, workflow);
    }
    for (const workflow of new Set(saved.values())) await this.#storeWorkflow(workflow);
    const archived = await this.#store([...saved.keys()], saved);
    await feed.done(entries, { archived });
  }

  /**
   * The version that the execution ran. Without it `saveExecutionToDatabase` is unknown, and the execution is not
   * saved.
   */
  async #workflow(
    { workflowId, version, executionId }: FeedEntry,
    versions: Map<string, Promise<StoredWorkflow | undefined>>,
  ): Promise<StoredWorkflow | undefined> {
    const name = `${workflowId}@${version}`;
    const asked = versions.get(name) ?? this.#options.workflows.get(workflowId, version);
    versions.set(name, asked);
    const workflow = await asked;
    if (workflow === undefined) {
      this.#counts.lost++;
      const message = `Execution ${executionId} is not archived: version ${version} of "${workflowId}" is gone`;
      this.#options.onError?.(new Error(message));
    }
    return workflow;
  }

  /** Stores what can be stored and returns it; one by one where together they were refused. */
  async #store(
    entries: readonly FeedEntry[],
    workflows: ReadonlyMap<FeedEntry, StoredWorkflow>,
  ): Promise<readonly FeedEntry[]> {
    if (entries.length === 0) return [];
    const { archive, log, onError } = this.#options;
    const lost = new Set<FeedEntry>();
    try {
      const chunks = archiveChunks(entries, {
        log,
        repliesEarly: (entry, trigger) => repliesEarly(workflows.get(entry), trigger),
        onLost: (entry) => lost.add(entry),
      });
      await archive.store(entries.map(({ executionId }) => executionId), untilStopped(chunks, this.#stop.signal));
    } catch (error) {
      if (!(error instanceof ArchiveRefusedError)) throw error;
      if (entries.length > 1) {
        const stored: FeedEntry[] = [];
        for (const entry of entries) stored.push(...await this.#store([entry], workflows));
        return stored;
      }
      this.#counts.refused++;
      onError?.(new Error(`Execution ${entries[0]!.executionId} is not archived`, { cause: error }));
      return [];
    }
    this.#counts.lost += lost.size;
    for (const { executionId } of lost) {
      onError?.(new Error(`Execution ${executionId} is not archived: its log is gone`));
    }
    return entries.filter((entry) => !lost.has(entry));
  }

  async #storeWorkflow(workflow: StoredWorkflow): Promise<void> {
    const { id, version, updatedAt } = workflow;
    const name = `${id}@${version}@${updatedAt}`;
    if (this.#stored.has(name)) return;
    await this.#options.archive.storeWorkflow(workflow);
    if (this.#stored.size >= KNOWN_VERSIONS) this.#stored.clear();
    this.#stored.add(name);
  }
}

/** True where callers of the trigger are answered by the first node that responds. */
function repliesEarly(workflow: StoredWorkflow | undefined, trigger: string): boolean {
  return workflow?.definition.nodes.find(({ id }) => id === trigger)?.parameters.responseMode === "responseNode";
}

/** Breaks off before the next one: what is left then comes again. */
async function* untilStopped<T>(all: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const one of all) {
    signal.throwIfAborted();
    yield one;
  }
}
