/**
 * The memory driver's projections. Lists are made of the executions themselves, in the order of their UUIDv7 ids.
 */
import { compareEntryIds } from "../../execution/event.ts";
import type { ExecutionMeta, WaitOptions } from "../../execution/log.ts";
import type {
  FeedEntry,
  FeedMark,
  FollowedEntry,
  ListOptions,
  ProgressDocument,
  Projections,
} from "../../feed/projections.ts";
import { metaOf } from "./execution_log.ts";
import { decodeFeedCursor } from "../../feed/feed_cursor.ts";
import { indexAfter, type MemoryState } from "./state.ts";

/** {@linkcode Projections} in memory. */
export class MemoryProjections implements Projections {
  readonly #state: MemoryState;
  readonly #documents = new Map<string, ProgressDocument>();
  #cursor: string | undefined;

  constructor(state: MemoryState) {
    this.#state = state;
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
      // It may have been removed meanwhile.
      if (this.#state.executions.has(entry.executionId)) this.#state.listed.add(entry.executionId);
      this.#cursor = entry.id;
    }
    return Promise.resolve();
  }

  putProgress(document: ProgressDocument): Promise<void> {
    this.#documents.set(document.executionId, document);
    return Promise.resolve();
  }

  progress(executionId: string): Promise<ProgressDocument | undefined> {
    return Promise.resolve(this.#documents.get(executionId));
  }

  sweep(): Promise<void> {
    this.#state.sweep();
    for (const id of this.#documents.keys()) if (this.#state.find(id) === undefined) this.#documents.delete(id);
    return Promise.resolve();
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
    let after = asked === undefined || compareEntryIds(asked, this.#state.fedTo) > 0 ? this.#state.fedTo : asked;
    if (asked === undefined) yield { mark: "at", cursor: after };
    else if (this.#state.isTrimmed(asked)) {
      const before = this.#state.feed[0]?.id;
      yield {
        mark: "gap",
        after: asked,
        ...(before !== undefined && compareEntryIds(before, asked) > 0 && { before }),
      };
    }
    while (!signal.aborted) {
      const { feed } = this.#state;
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
