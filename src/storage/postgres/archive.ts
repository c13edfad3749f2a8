/**
 * The archive in PostgreSQL. It is opened whether the database is there or not: what needs it waits, or says so.
 *
 * @example
 * ```ts
 * await using archive = openArchive({ url: "postgres://127.0.0.1/millrace", instance: "a", historyDays: 30 });
 * ```
 */
import type { ReadOptions, WaitOptions } from "../../execution/log.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import { resultOf } from "../../execution/result_of_log.ts";
import type { NodeErrorData } from "../../lib/errors.ts";
import { processClock } from "../../lib/clock.ts";
import type { ExecutionStatus } from "../../execution/event.ts";
import type { StoredWorkflow } from "../../workflow/definition.ts";
import type { Archive, ArchiveChunk } from "../../feed/archive.ts";
import type { SearchOptions } from "../../feed/search_executions.ts";
import { Database, SourceError } from "./database.ts";
import { purge } from "./purge.ts";
import { dayOf, Partitions } from "./partitions.ts";
import { readList, readMeta, readPages } from "./read.ts";
import { writeChunk } from "./write.ts";

/** Options of {@linkcode openArchive}. */
export interface ArchiveOptions {
  /** As `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Names the connections. */
  readonly instance: string;
  /** For how many days executions are kept, counted from their request. */
  readonly historyDays: number;
  /** The time by which days begin; this process's by default. */
  readonly now?: () => number;
  /** Called with the reason for which the database is down, once for each reason. Default: not reported. */
  readonly onError?: (error: unknown) => void;
  /** After how long upkeep of partitions that others were in the way of is tried again, in milliseconds; default 60,000. */
  readonly upkeepAgainMs?: number;
  /** How long one statement of a transaction may take, in milliseconds; default 60,000. */
  readonly writeMs?: number;
}

/** Opens the archive, and begins to connect. */
export function openArchive(options: ArchiveOptions): Archive & AsyncDisposable {
  const { historyDays, now = () => processClock.now(), onError = () => {}, ...rest } = options;
  const partitions = new Partitions({ historyDays, now });
  const database = new Database({ ...rest, partitions, onError });
  return {
    whenReady: (wait: WaitOptions & { timeoutMs: number }) => database.whenReady(wait),
    store: (executionIds, chunks) => store({ database, partitions }, executionIds, chunks),
    storeWorkflow: (workflow) => storeWorkflow(database, workflow),
    workflow: (id, version) => readWorkflow(database, id, version),
    meta: (executionId) => readMeta(database, executionId),
    pages: (executionId: string, read: ReadOptions = {}) => readPages(database, executionId, read),
    result: (executionId) => readResult(database, executionId),
    list: (list: SearchOptions) => readList(database, list),
    purge: (span) => purge(database, span),
    health: () => database.health(),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

async function store(
  { database, partitions }: { database: Database; partitions: Partitions },
  executionIds: readonly string[],
  chunks: AsyncIterable<ArchiveChunk>,
): Promise<void> {
  const isKept = ({ executionId }: { executionId: string }) => partitions.keeps(dayOf(executionId));
  const days = new Set(executionIds.map(dayOf).filter((day) => partitions.keeps(day)));
  // Before the transaction: within it the tables are locked, by itself.
  if (!partitions.has(days)) await database.use((client) => partitions.provide(client, days));
  await database.transaction(async (client) => {
    for await (const { executions, parts, values } of sourced(chunks)) {
      const kept = {
        executions: executions.filter(isKept),
        parts: parts.filter(isKept),
        values: values.filter(isKept),
      };
      await writeChunk(client, kept);
    }
  });
}

/** The same chunks; an error of theirs is marked as one of the source. */
async function* sourced(chunks: AsyncIterable<ArchiveChunk>): AsyncIterable<ArchiveChunk> {
  try {
    yield* chunks;
  } catch (error) {
    throw new SourceError("The chunks could not be read", { cause: error });
  }
}

async function storeWorkflow(database: Database, workflow: StoredWorkflow): Promise<void> {
  await database.transaction((client) =>
    client.query(
      `INSERT INTO millrace.workflows (id, version, updated_at, document) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [workflow.id, workflow.version, workflow.updatedAt, JSON.stringify(workflow)],
    )
  );
}

async function readWorkflow(database: Database, id: string, version: number): Promise<StoredWorkflow | undefined> {
  const rows = await database.read<{ document: string }>(
    "SELECT document FROM millrace.workflows WHERE id = $1 AND version = $2 ORDER BY updated_at DESC LIMIT 1",
    [id, version],
  );
  return rows[0] && JSON.parse(rows[0].document);
}

async function readResult(database: Database, executionId: string): Promise<ExecutionResult | undefined> {
  const [row] = await database.read<{
    status: ExecutionStatus;
    last_node: string | null;
    response_node: string | null;
    error: string | null;
  }>("SELECT status, last_node, response_node, error FROM millrace.executions WHERE id = $1", [executionId]);
  if (row === undefined) return undefined;
  return await resultOf(
    {
      executionId,
      status: row.status,
      ...(row.last_node !== null && { lastNode: row.last_node }),
      ...(row.response_node !== null && { responseNode: row.response_node }),
      ...(row.error !== null && { error: JSON.parse(row.error) as NodeErrorData }),
    },
    readPages(database, executionId),
  );
}
