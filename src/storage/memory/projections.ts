/**
 * The memory driver's projections. Lists are made of the executions themselves, in the order of their UUIDv7 ids.
 */
import { compareEntryIds } from "../../lib/entry_id.ts";
import type { ExecutionMeta, WaitOptions } from "../../execution/log.ts";
import type { FeedEntry, FeedMark, FollowedEntry, ListOptions, Projections } from "../../feed/projections.ts";
import { processClock } from "../../lib/clock.ts";
import { expiryOf, type KeptDocument } from "../../feed/progress_document.ts";
import type { Counters } from "./counters.ts";
import { metaOf } from "./execution_log.ts";
import { decodeFeedCursor } from "../../feed/feed_cursor.ts";
import { endedOf, indexAfter, type MemoryExecution, type MemoryState } from "./state.ts";

/** How many executions are named at once. */
const BATCH = 500;

/** {@linkcode Projections} in memory. */
export class MemoryProjections implements Projections {
  readonly #state: MemoryState;
  readonly #counters: Counters;
  readonly #documents = new Map<string, KeptDocument & { expiresAt: number }>();
  #cursor: string | undefined;

  constructor(state: MemoryState, counters: Counters) {
    this.#state = state;
    this.#counters = counters;
  }

  async takeFeed(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]> {
    const { signal, count, blockMs } = options;
    const { feed } = this.#state;
    if (indexAfter(feed, this.#cursor) === feed.length) {
      await this.#state.change("feed", { signal, timeoutMs: blockMs });
    }
    const from = indexAfter(this.#state.feed, this.#cursor);
    return signal.aborted ? [] : this.#state.feed.slice(from, from + count);
  }

  applyFeed(entries: readonly FeedEntry[]): Promise<void> {
    for (const entry of entries) {
      const { id, executionId, ended } = entry;
      // It may have been removed meanwhile.
      if (this.#state.executions.has(executionId)) this.#state.listed.add(executionId);
      if (ended !== undefined && !entry.imported) this.#counters.count(entry, ended);
      if (id !== "" && (this.#cursor === undefined || compareEntryIds(id, this.#cursor) > 0)) this.#cursor = id;
    }
    return Promise.resolve();
  }

  putProgress(kept: KeptDocument, ended?: FeedEntry["ended"]): Promise<void> {
    const { executionId } = kept.document;
    const before = this.#documents.get(executionId);
    if (before === undefined || compareEntryIds(before.upTo, kept.upTo) < 0) {
      const { upTo, document } = kept;
      const expiresAt = expiryOf(ended, processClock.now());
      this.#documents.set(executionId, { upTo, document: structuredClone(document), expiresAt });
    }
    return Promise.resolve();
  }

  progress(executionId: string): Promise<KeptDocument | undefined> {
    const kept = this.#documents.get(executionId);
    if (kept === undefined || kept.expiresAt <= processClock.now()) return Promise.resolve(undefined);
    return Promise.resolve({ upTo: kept.upTo, document: kept.document });
  }

  dropProgress(executionIds: readonly string[]): Promise<void> {
    for (const id of executionIds) this.#documents.delete(id);
    return Promise.resolve();
  }

  sweep(): Promise<void> {
    const now = processClock.now();
    this.#state.sweep();
    this.#counters.sweep(now);
    for (const [id, { expiresAt }] of this.#documents) {
      if (expiresAt <= now || this.#state.find(id) === undefined) this.#documents.delete(id);
    }
    return Promise.resolve();
  }

  reset(): Promise<void> {
    this.#counters.sweep(processClock.now());
    this.#counters.reset();
    this.#state.listed.clear();
    return Promise.resolve();
  }

  async *everything(): AsyncGenerator<{ entries: FeedEntry[]; total: number }> {
    const all = [...this.#state.executions.values()];
    const total = all.length;
    yield { entries: [], total };
    while (all.length > 0) yield { entries: all.splice(0, BATCH).map(entryOf), total };
  }

  list(options: ListOptions): Promise<{ executions: ExecutionMeta[]; nextCursor?: string }> {
    const { workflowId, status, limit, cursor } = options;
    const ids = [...this.#state.listed].sort().reverse();
    const executions: ExecutionMeta[] = [];
    for (const id of ids) {
      if (cursor !== undefined && id >= cursor) continue;
      const execution = this.#state.find(id);
      if (execution === undefined) continue;
      if (workflowId !== undefined && execution.request.workflowId !== workflowId) continue;
      if (status !== undefined && execution.status !== status) continue;
      if (executions.length === limit) {
        return Promise.resolve({ executions, nextCursor: executions.at(-1)!.executionId });
      }
      executions.push(metaOf(execution));
    }
    return Promise.resolve({ executions });
  }

  async *followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FollowedEntry | FeedMark> {
    const { signal, after: asked } = options;
    if (asked !== undefined) decodeFeedCursor(asked, 1);
    let after = asked ?? this.#state.fedTo;
    if (asked === undefined) yield { mark: "at", cursor: after };
    while (!signal.aborted) {
      const { feed, fedTo, trimmedTo } = this.#state;
      if (this.#state.isTrimmed(after)) {
        const isAhead = compareEntryIds(after, fedTo) > 0;
        const before = isAhead ? undefined : feed[0]?.id;
        yield { mark: "gap", after, ...(before !== undefined && { before }) };
        after = isAhead ? fedTo : trimmedTo;
        continue;
      }
      const entries = feed.slice(indexAfter(feed, after));
      if (entries.length === 0) await this.#state.change("feed", { signal });
      for (const entry of entries) {
        yield { ...entry, cursor: entry.id };
        after = entry.id;
        if (signal.aborted) return;
      }
    }
  }
}

function entryOf(execution: MemoryExecution): FeedEntry {
  const { imported, request: { executionId, workflowId, version } } = execution;
  const nowhere = { id: "", partition: 0, first: "", last: "", types: [] };
  return { ...nowhere, executionId, workflowId, version, ...endedOf(execution), ...(imported && { imported }) };
}
