/**
 * Reads the logs of ended executions and makes of them what an archive stores.
 *
 * Invariants:
 * 1. A chunk is bounded in bytes, with which one more event may be added.
 * 2. An execution comes with, or after, the last part of its log.
 * 3. A log without its terminal event is none: it has expired, and is told to `onLost`.
 */
import { isTerminal, type StoredEvent } from "../execution/event.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { NodeErrorData } from "../lib/errors.ts";
import type { ArchiveChunk, ArchivedExecution, ArchivedValue, LogPart } from "./archive.ts";
import { writeLine } from "./log_lines.ts";
import type { FeedEntry } from "./projections.ts";

/** How many characters a part of a log has, and a chunk, with which one more event may be added. */
const PART_CHARACTERS = 2 ** 19;
const CHUNK_CHARACTERS = 2 ** 22;
/** How many logs are read at once. */
const AT_ONCE = 32;

/** What {@linkcode archiveChunks} takes. */
export interface ChunkOptions {
  /** The logs of the executions that have ended. */
  readonly log: Pick<ExecutionLog, "pages">;
  /** Whether callers of the trigger are answered by the first node that responds. */
  readonly repliesEarly: (entry: FeedEntry, trigger: string) => boolean;
  /** Hears of logs that are gone. */
  readonly onLost: (entry: FeedEntry) => void;
}

/** The chunks of these executions, in the order of their ids. */
export async function* archiveChunks(
  entries: readonly FeedEntry[],
  options: ChunkOptions,
): AsyncIterable<ArchiveChunk> {
  const sorted = [...entries].sort((a, b) => (a.executionId < b.executionId ? -1 : 1));
  let chunk = new Chunk();
  for (let from = 0; from < sorted.length; from += AT_ONCE) {
    const some = sorted.slice(from, from + AT_ONCE);
    const readers = some.map(({ executionId }) => options.log.pages(executionId)[Symbol.asyncIterator]());
    const first = await Promise.all(readers.map((reader) => reader.next()));
    for (const [i, entry] of some.entries()) {
      const summary = new Summary(entry);
      for (let page = first[i]!; !page.done; page = await readers[i]!.next()) {
        for (const event of page.value) {
          summary.add(event);
          chunk.add(entry.executionId, event, summary.parts);
          if (chunk.isFull) {
            yield chunk.take(summary);
            chunk = new Chunk();
          }
        }
      }
      if (!chunk.end(summary, options)) options.onLost(entry);
    }
  }
  if (!chunk.isEmpty) yield chunk.take();
}

/** What a chunk is gathered in. */
class Chunk {
  readonly #executions: ArchivedExecution[] = [];
  #parts: LogPart[] = [];
  #values: ArchivedValue[] = [];
  #lines: string[] = [];
  #lineCharacters = 0;
  #lastId = "";
  #characters = 0;

  get isFull(): boolean {
    return this.#characters > CHUNK_CHARACTERS;
  }

  get isEmpty(): boolean {
    return this.#executions.length + this.#parts.length + this.#values.length === 0;
  }

  add(executionId: string, event: StoredEvent, count: { next: number }): void {
    const { line, value } = writeLine(event);
    this.#lines.push(line);
    this.#lastId = event.id;
    this.#lineCharacters += line.length;
    this.#characters += line.length + (value?.json.length ?? 0);
    if (value !== undefined) this.#values.push({ executionId, name: value.name, json: value.json });
    if (this.#lineCharacters > PART_CHARACTERS) this.#endPart(executionId, count);
  }

  /** Adds the execution whose log has been added; false if that is not whole. */
  end(summary: Summary, { repliesEarly }: Pick<ChunkOptions, "repliesEarly">): boolean {
    const { executionId } = summary.entry;
    this.#endPart(executionId, summary.parts);
    const execution = summary.end(repliesEarly);
    if (execution === undefined) this.#forget(executionId);
    else this.#executions.push(execution);
    return execution !== undefined;
  }

  take(summary?: Summary): ArchiveChunk {
    if (summary !== undefined) this.#endPart(summary.entry.executionId, summary.parts);
    return { executions: this.#executions, parts: this.#parts, values: this.#values };
  }

  #forget(executionId: string): void {
    this.#parts = this.#parts.filter((part) => part.executionId !== executionId);
    this.#values = this.#values.filter((value) => value.executionId !== executionId);
  }

  #endPart(executionId: string, count: { next: number }): void {
    if (this.#lines.length === 0) return;
    this.#parts.push({ executionId, part: count.next++, lines: this.#lines, lastId: this.#lastId });
    this.#lines = [];
    this.#lineCharacters = 0;
  }
}

/** What is known of an execution from its log. */
class Summary {
  readonly entry: FeedEntry;
  readonly parts = { next: 0 };
  #tags: Readonly<Record<string, string>> = {};
  #trigger = "";
  #last: StoredEvent | undefined;

  constructor(entry: FeedEntry) {
    this.entry = entry;
  }

  add(event: StoredEvent): void {
    this.#last = event;
    if (event.type === "execution.requested") this.#trigger = event.data.trigger;
    if (event.type === "execution.started" && event.data.tags !== undefined) this.#tags = event.data.tags;
  }

  end(repliesEarly: ChunkOptions["repliesEarly"]): ArchivedExecution | undefined {
    const last = this.#last;
    if (last === undefined || !isTerminal(last)) return undefined;
    const { executionId, workflowId, version, ended } = this.entry;
    const { status, requestedAt, endedAt } = ended!;
    const shared = { executionId, workflowId, version, status, requestedAt, endedAt, tags: this.#tags };
    if (last.type === "execution.completed") {
      const { lastNode, responseNode } = last.data;
      return { ...shared, lastNode, ...(responseNode !== undefined && { responseNode }) };
    }
    if (last.type !== "execution.failed") return shared;
    const error: NodeErrorData = last.data.error;
    const { responseNode } = last.data;
    if (responseNode === undefined || !repliesEarly(this.entry, this.#trigger)) return { ...shared, error };
    return { ...shared, error, responseNode };
  }
}
