/**
 * Makes everything anew that is made of the logs: lists, counters, documents. While it runs, readers may find lists that
 * are not yet full; what happens meanwhile is taken in by the assemblers as always, and nothing is counted twice.
 */
import type { Clock } from "../lib/clock.ts";
import type { ExecutionLog } from "../execution/log.ts";
import {
  type Definitions,
  definitionsOf,
  documentOf,
  expiryOf,
  foldOn,
  hasDocument,
  noDocument,
} from "./progress_document.ts";
import type { FeedEntry, Projections } from "./projections.ts";

/** What is rebuilt from what. */
export interface RebuildSources {
  readonly clock: Clock;
  readonly log: Pick<ExecutionLog, "meta" | "pages">;
  readonly projections: Projections;
  readonly workflows: Definitions;
  /** Called for each execution whose document cannot be made or kept: the others go on. */
  readonly onError?: (error: unknown) => void;
}

/** How far a rebuild is, in executions; `total` is about how many there are. */
export interface Rebuilt {
  readonly done: number;
  readonly total: number;
}

/** How many logs are folded at once. */
const AT_ONCE = 16;

/** Drops everything, then goes through all executions that the store has; says after each batch how far it is. */
export async function* rebuild(sources: RebuildSources): AsyncGenerator<Rebuilt> {
  const { projections, onError } = sources;
  await projections.reset();
  let done = 0;
  for await (const { entries, total } of projections.everything()) {
    await projections.applyFeed(entries);
    await projections.dropProgress(entries.map(({ executionId }) => executionId));
    const next = entries.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (const entry of next) {
        await remake(sources, entry).catch((error) => onError?.(noDocument(entry.executionId, error)));
      }
    }));
    done += entries.length;
    yield { done, total: Math.max(done, total) };
  }
}

async function remake(sources: RebuildSources, entry: FeedEntry): Promise<void> {
  const { clock, log, projections } = sources;
  const { executionId, ended } = entry;
  if (ended !== undefined && (!hasDocument(ended) || expiryOf(ended, clock.now()) <= clock.now())) return;
  const kept = await documentOf(executionId, await foldOn(log, executionId), definitionsOf(executionId, sources));
  // The assembler makes none before an execution begins.
  if (kept !== undefined && kept.document.status !== "pending") await projections.putProgress(kept, ended);
}
