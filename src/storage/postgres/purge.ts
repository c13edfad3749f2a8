/**
 * Deletes archived executions, some thousands a transaction: nobody waits for it, and it waits for nobody.
 */
import type { PurgeOptions } from "../../feed/archive.ts";
import { REQUEST_SLACK_MS } from "../../feed/search_executions.ts";
import { firstIdOf } from "../../lib/uuidv7.ts";
import type { Database } from "./database.ts";

/** How many executions one transaction deletes, and how long one purge goes on, in milliseconds. */
const BATCH = 1000;
const LONGEST_MS = 5000;

const DELETE = `
  WITH old AS (
    SELECT id FROM millrace.executions
    WHERE id < $1 AND requested_at < $2 AND id >= $3 AND requested_at >= $4 AND ($5::text IS NULL OR workflow_id = $5)
    ORDER BY id LIMIT ${BATCH}
  ), without_logs AS (
    DELETE FROM millrace.logs AS log USING old WHERE log.id = old.id
  ), without_values AS (
    DELETE FROM millrace.values AS value USING old WHERE value.id = old.id
  )
  DELETE FROM millrace.executions AS execution USING old WHERE execution.id = old.id`;

/** Deletes what was requested in a span of time, for a while; `done` is false when there is more. */
export async function purge(
  database: Database,
  { to, from = 0, workflowId }: PurgeOptions,
): Promise<{ purged: number; done: boolean }> {
  const until = performance.now() + LONGEST_MS;
  const values = [firstIdOf(to + REQUEST_SLACK_MS), to, firstIdOf(from - REQUEST_SLACK_MS), from, workflowId ?? null];
  let purged = 0;
  do {
    const deleted = await database.transaction(async (client) => (await client.query(DELETE, values)).rowCount ?? 0);
    purged += deleted;
    if (deleted < BATCH) return { purged, done: true };
  } while (performance.now() < until);
  return { purged, done: false };
}
