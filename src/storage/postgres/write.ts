/**
 * What is written: chunks of executions, by arrays, since one statement for hundreds of rows costs a fraction of as
 * many statements.
 *
 * Invariants:
 * 1. What is there already stays as it is: a batch may be stored any number of times.
 * 2. The hourly statistics count the executions that were new in this very transaction.
 */
import type { ArchiveChunk, ArchivedExecution, ArchivedValue, LogPart } from "../../feed/archive.ts";
import { searchText } from "../../feed/search.ts";
import type { Client } from "./client.ts";

/** How many rows one statement has. */
const ROWS = 500;

const PARTS = `
  INSERT INTO millrace.logs (id, part, last_ms, last_count, lines)
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::text[])
  ON CONFLICT DO NOTHING`;

const VALUES = `
  INSERT INTO millrace.values (id, name, json)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
  ON CONFLICT DO NOTHING`;

const EXECUTIONS = `
  WITH fresh AS (
    INSERT INTO millrace.executions
      (id, workflow_id, version, status, requested_at, ended_at, last_node, response_node, tags, error, search)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
      $8::text[], $9::text[], $10::text[], $11::text[])
    ON CONFLICT DO NOTHING
    RETURNING workflow_id, status, ended_at, greatest(0, ended_at - requested_at) AS duration_ms
  )
  INSERT INTO millrace.hourly AS hourly (workflow_id, hour, completed, failed, cancelled, duration_ms, longest_ms)
  SELECT workflow_id, date_trunc('hour', to_timestamp(ended_at / 1000.0), 'UTC'),
    count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed'),
    count(*) FILTER (WHERE status = 'cancelled'), sum(duration_ms), max(duration_ms)
  FROM fresh GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (workflow_id, hour) DO UPDATE SET
    completed = hourly.completed + EXCLUDED.completed, failed = hourly.failed + EXCLUDED.failed,
    cancelled = hourly.cancelled + EXCLUDED.cancelled, duration_ms = hourly.duration_ms + EXCLUDED.duration_ms,
    longest_ms = greatest(hourly.longest_ms, EXCLUDED.longest_ms)`;

/** Writes a chunk within a transaction; the partitions that it needs are there. */
export async function writeChunk(client: Client, { executions, parts, values }: ArchiveChunk): Promise<void> {
  for (const rows of slices(parts)) await client.query(PARTS, columnsOfParts(rows));
  for (const rows of slices(values)) await client.query(VALUES, columnsOfValues(rows));
  for (const rows of slices(executions)) await client.query(EXECUTIONS, columnsOfExecutions(rows));
}

function columnsOfParts(rows: readonly LogPart[]): unknown[] {
  const places = rows.map(({ lastId }) => lastId.split("-"));
  return [
    rows.map(({ executionId }) => executionId),
    rows.map(({ part }) => part),
    places.map(([ms]) => ms),
    places.map(([, count]) => count ?? "0"),
    rows.map(({ lines }) => lines.join("\n")),
  ];
}

function columnsOfValues(rows: readonly ArchivedValue[]): unknown[] {
  return [rows.map(({ executionId }) => executionId), rows.map(({ name }) => name), rows.map(({ json }) => json)];
}

function columnsOfExecutions(rows: readonly ArchivedExecution[]): unknown[] {
  return [
    rows.map(({ executionId }) => executionId),
    rows.map(({ workflowId }) => workflowId),
    rows.map(({ version }) => version),
    rows.map(({ status }) => status),
    rows.map(({ requestedAt }) => requestedAt),
    rows.map(({ endedAt }) => endedAt),
    rows.map(({ lastNode }) => lastNode ?? null),
    rows.map(({ responseNode }) => responseNode ?? null),
    rows.map(({ tags }) => Object.keys(tags).length === 0 ? null : JSON.stringify(tags)),
    rows.map(({ error }) => error === undefined ? null : JSON.stringify(error)),
    rows.map((row) => searchText(row) || null),
  ];
}

function* slices<T>(rows: readonly T[]): Iterable<readonly T[]> {
  for (let from = 0; from < rows.length; from += ROWS) yield rows.slice(from, from + ROWS);
}
