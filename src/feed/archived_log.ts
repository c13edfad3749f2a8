/**
 * The log with the archive behind it: every read looks into the store first, and then there, and answers the same.
 *
 * Invariants:
 * 1. What the store has is never asked of the archive: while the archive is away, what is new is read as ever.
 * 2. A read that began in the store and whose log expires meanwhile goes on in the archive, without gap or repeat.
 * 3. "Unknown" is said only when both have been asked: while the archive is away it is `unavailable` instead.
 */
import { isEnded, isTerminal, type StoredEvent } from "../execution/event.ts";
import type { ExecutionLog, ReadOptions } from "../execution/log.ts";
import type { ExecutionResult } from "../execution/result.ts";
import { overlay } from "../lib/overlay.ts";
import type { Archive } from "./archive.ts";

/** What is read of an archive. */
type ReadArchive = Pick<Archive, "meta" | "pages" | "result">;

/** The same log, whose reads go on in the archive. */
export function archivedLog(log: ExecutionLog, archive: ReadArchive): ExecutionLog {
  const pages = (executionId: string, options: ReadOptions = {}) => pagesOf(executionId, options, { log, archive });
  return overlay(log, {
    meta: async (executionId) => await log.meta(executionId) ?? await archive.meta(executionId),
    result: (executionId) => resultOf(executionId, { log, archive }),
    pages,
    async read(executionId, options) {
      const events: StoredEvent[] = [];
      for await (const page of pages(executionId, options)) events.push(...page);
      return events;
    },
    async *tail(executionId, options) {
      const { signal, values } = options;
      let last: StoredEvent | undefined;
      for await (const event of log.tail(executionId, options)) {
        yield event;
        last = event;
      }
      if (signal.aborted || (last !== undefined && isTerminal(last))) return;
      const after = last?.id ?? options.after;
      const rest = { ...(after !== undefined && { after }), ...(values !== undefined && { values }) };
      for await (const page of pages(executionId, rest)) {
        for (const event of page) {
          if (signal.aborted) return;
          yield event;
        }
      }
    },
  });
}

interface Both {
  readonly log: ExecutionLog;
  readonly archive: ReadArchive;
}

async function* pagesOf(
  executionId: string,
  options: ReadOptions,
  { log, archive }: Both,
): AsyncIterable<StoredEvent[]> {
  let left = options.limit ?? Infinity;
  let last: StoredEvent | undefined;
  for await (const page of log.pages(executionId, options)) {
    yield page;
    left -= page.length;
    last = page.at(-1);
  }
  if (left <= 0 || (last !== undefined && isTerminal(last))) return;
  // Its end was not read: it runs, the reader had read it, or it is not in the store any more.
  if (await log.meta(executionId) !== undefined) return;
  const after = last?.id ?? options.after;
  yield* archive.pages(executionId, {
    ...options,
    ...(after !== undefined && { after }),
    ...(Number.isFinite(left) && { limit: left }),
  });
}

async function resultOf(executionId: string, { log, archive }: Both): Promise<ExecutionResult | undefined> {
  const result = await log.result(executionId);
  if (result !== undefined) return result;
  const meta = await log.meta(executionId);
  if (meta !== undefined && !isEnded(meta.status)) return undefined;
  try {
    return await archive.result(executionId);
  } catch (error) {
    // The store itself says that the result has expired.
    if (meta !== undefined) return undefined;
    throw error;
  }
}
