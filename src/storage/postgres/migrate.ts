/**
 * Brings the tables of the archive up to date.
 */
import type { Client } from "./client.ts";
import { MIGRATIONS } from "./migrations.ts";
import { SCHEMA_LOCK } from "./partitions.ts";

/** The oldest PostgreSQL that is used, as `server_version_num` has it. */
const OLDEST = 150_000;

/**
 * Runs the steps that are missing, all or none, one process at a time.
 *
 * @throws {Error} when the server is too old, or the tables are those of a newer release
 */
export async function migrate(client: Client): Promise<void> {
  const { rows: [server] } = await client.query<{ server_version_num: string }>("SHOW server_version_num");
  if (Number(server!.server_version_num) < OLDEST) {
    throw new Error(`PostgreSQL 15 or newer is needed: this is ${server!.server_version_num}`);
  }
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
    const { rows: [found] } = await client.query<{ there: boolean }>(
      "SELECT to_regclass('millrace.migrations') IS NOT NULL AS there",
    );
    if (!found!.there) {
      await client.query("CREATE SCHEMA IF NOT EXISTS millrace");
      await client.query(`CREATE TABLE millrace.migrations
        (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    }
    const { rows: [last] } = await client.query<{ number: number }>(
      "SELECT coalesce(max(number), 0) AS number FROM millrace.migrations",
    );
    if (last!.number > MIGRATIONS.length) {
      throw new Error(`The tables are those of a newer release: step ${last!.number} is not known here`);
    }
    for (const { number, name, sql } of MIGRATIONS.slice(last!.number)) {
      await client.query(sql);
      await client.query("INSERT INTO millrace.migrations (number, name) VALUES ($1, $2)", [number, name]);
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  }
}
