/**
 * Pages of executions, newest first: by workflow, status and time, and by what is searched for in errors and tags; from
 * the store, and from the archive where there is one, each execution once.
 *
 * A store has no index of texts and times. What the indexes that it has give is looked through, so much a page: a page
 * may be short, or empty, and have a cursor all the same.
 */
import type { ExecutionLog, ExecutionMeta } from "../execution/log.ts";
import { applyEvent, emptyState } from "../execution/state.ts";
import { UnavailableError } from "../lib/errors.ts";
import { firstIdOf } from "../lib/uuidv7.ts";
import type { Archive } from "./archive.ts";
import type { ExecutionPage, ListOptions, Projections } from "./projections.ts";
import { searchTerm, searchText } from "./search.ts";

/** Filters and place of a page. */
export interface SearchOptions extends ListOptions {
  /** Part of an error or a tag, in whatever case. */
  readonly q?: string;
  /** Requested then or later, in epoch milliseconds. */
  readonly from?: number;
  /** Requested before then, in epoch milliseconds. */
  readonly to?: number;
}

/** Where is looked. */
export interface SearchedStore {
  readonly log: Pick<ExecutionLog, "pages">;
  readonly projections: Pick<Projections, "list">;
  readonly archive?: Pick<Archive, "list">;
}

/** How far an id's time and the time of its request may lie apart, in milliseconds: sending again takes a while. */
export const REQUEST_SLACK_MS = 600_000;
/** How many executions of the store one page looks at, and how many logs at once. */
const MOST_LOOKED_AT = 1000;
const LOGS_AT_ONCE = 32;

/** One page; while the archive is away it is of the store alone, and says that it is `incomplete`. */
export async function searchExecutions(where: SearchedStore, options: SearchOptions): Promise<ExecutionPage> {
  const { archive } = where;
  if (archive === undefined) return await searchStore(where, options);
  const [stored, archived] = await Promise.all([
    searchStore(where, options),
    archive.list(options).catch((error: unknown) => {
      if (error instanceof UnavailableError) return undefined;
      throw error;
    }),
  ]);
  return archived === undefined ? { ...stored, incomplete: true } : merge(stored, archived, options.limit);
}

function merge(stored: ExecutionPage, archived: ExecutionPage, limit: number): ExecutionPage {
  const byId = new Map<string, ExecutionMeta>();
  for (const meta of [...archived.executions, ...stored.executions]) byId.set(meta.executionId, meta);
  // Below where one of the two has not looked, it may have more that comes before the other's.
  const horizon = [stored.nextCursor, archived.nextCursor].filter((cursor) => cursor !== undefined).sort().at(-1);
  const ids = [...byId.keys()].filter((id) => horizon === undefined || id >= horizon).sort().reverse();
  const executions = ids.slice(0, limit).map((id) => byId.get(id)!);
  const nextCursor = ids.length > limit ? ids[limit - 1] : horizon;
  return nextCursor === undefined ? { executions } : { executions, nextCursor };
}

async function searchStore({ log, projections }: SearchedStore, options: SearchOptions): Promise<ExecutionPage> {
  const { q, from, to, limit, ...filters } = options;
  if (q === undefined && from === undefined && to === undefined) return await projections.list(options);
  const executions: ExecutionMeta[] = [];
  let cursor = to === undefined ? filters.cursor : lower(filters.cursor, firstIdOf(to + REQUEST_SLACK_MS));
  for (let looked = 0; looked < MOST_LOOKED_AT;) {
    const page = await projections.list({
      ...filters,
      limit: q === undefined ? 500 : LOGS_AT_ONCE,
      ...(cursor !== undefined && { cursor }),
    });
    looked += Math.max(1, page.executions.length);
    const inTime = page.executions.filter(({ requestedAt }) =>
      (from === undefined || requestedAt >= from) && (to === undefined || requestedAt < to)
    );
    const matching = q === undefined ? inTime : await matchingOf(inTime, q, log);
    for (const meta of matching) {
      executions.push(meta);
      if (executions.length > limit) {
        const shown = executions.slice(0, limit);
        return { executions: shown, nextCursor: shown.at(-1)!.executionId };
      }
    }
    cursor = page.nextCursor;
    const isPast = from !== undefined && cursor !== undefined && cursor < firstIdOf(from - REQUEST_SLACK_MS);
    if (cursor === undefined || isPast) return { executions };
  }
  return { executions, nextCursor: cursor! };
}

async function matchingOf(
  metas: readonly ExecutionMeta[],
  q: string,
  log: Pick<ExecutionLog, "pages">,
): Promise<ExecutionMeta[]> {
  const term = searchTerm(q);
  const texts = await Promise.all(metas.map(async ({ executionId }) => {
    const state = emptyState();
    for await (const page of log.pages(executionId, { values: false })) {
      for (const event of page) applyEvent(state, event);
    }
    return searchText(state);
  }));
  return metas.filter((_, i) => texts[i]!.includes(term));
}

function lower(a: string | undefined, b: string): string {
  return a !== undefined && a < b ? a : b;
}
