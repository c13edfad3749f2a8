/**
 * Executions and their logs, made up, and what stores them.
 */
import type { StoredEvent } from "../../../src/execution/event.ts";
import type { Archive, ArchiveChunk, ArchivedExecution } from "../../../src/feed/archive.ts";
import { writeLine } from "../../../src/feed/log_lines.ts";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";

/** An execution and its log. */
export interface Sample {
  readonly execution: ArchivedExecution;
  readonly events: readonly StoredEvent[];
}

/** A UUIDv7 of any time; those of {@linkcode uuidv7} never go back. */
export function idAt(ms: number): string {
  const time = ms.toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuidv7().slice(15)}`;
}

export function sampleOf(options: Partial<ArchivedExecution> = {}, events?: readonly StoredEvent[]): Sample {
  const at = options.requestedAt ?? Date.now();
  const execution: ArchivedExecution = {
    executionId: idAt(at),
    workflowId: "orders",
    version: 1,
    status: "completed",
    requestedAt: at,
    endedAt: at + 5,
    tags: {},
    lastNode: "sum",
    ...options,
  };
  return { execution, events: events ?? eventsOf(at) };
}

export function eventsOf(at: number, output: unknown = { n: 1 }): StoredEvent[] {
  const data = { workflowId: "orders", version: 1, trigger: "hook", input: { body: "é\0\ud800 __proto__" } };
  return [
    { id: `${at}-0`, type: "execution.requested", time: at, data },
    { id: `${at}-1`, type: "node.completed", time: at, node: "sum", data: { output } },
    { id: `${at + 5}-0`, type: "execution.completed", time: at + 5, data: { lastNode: "sum" } },
  ] as StoredEvent[];
}

/** One chunk with all of it. */
export async function* chunkOf(samples: readonly Sample[]): AsyncIterable<ArchiveChunk> {
  await Promise.resolve();
  const chunk = { executions: samples.map(({ execution }) => execution), parts: [], values: [] } as {
    executions: ArchivedExecution[];
    parts: ArchiveChunk["parts"][number][];
    values: ArchiveChunk["values"][number][];
  };
  for (const { execution: { executionId }, events } of samples) {
    const written = events.map(writeLine);
    chunk.parts.push({ executionId, part: 0, lines: written.map(({ line }) => line), lastId: events.at(-1)!.id });
    for (const { value } of written) {
      if (value !== undefined) chunk.values.push({ executionId, name: value.name, json: value.json });
    }
  }
  yield chunk;
}

export async function put(archive: Archive, samples: readonly Sample[]): Promise<void> {
  await archive.store(samples.map(({ execution }) => execution.executionId), chunkOf(samples));
}
