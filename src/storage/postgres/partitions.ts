/**
 * Partitions by day: an execution lies in the UTC day in which its UUIDv7 was made (RFC 9562, section 5.7), so a day
 * is dropped whole, and what is read by id looks into one partition.
 */
import { firstIdOf, timeOfId } from "../../lib/uuidv7.ts";
import type { Client } from "./client.ts";

/** The tables that are partitioned. */
const TABLES = ["executions", "logs", "values"] as const;

const DAY_MS = 86_400_000;
/** How many days are made ahead. */
const AHEAD_DAYS = 3;
/** How far ahead of now an id may lie, in days: past it, some clock was wrong. */
const MOST_AHEAD_DAYS = 366;
/** How long a change of partitions waits for those who use the table, in milliseconds. */
const LOCK_MS = 3000;
/** How many hours' counts one statement drops. */
const HOURS = 10_000;
/** The lock under which partitions change, and migrations run. */
export const SCHEMA_LOCK = 0x6d696c6c;

const DROP_HOURS = `
  DELETE FROM millrace.hourly WHERE (workflow_id, hour) IN (
    SELECT workflow_id, hour FROM millrace.hourly WHERE hour < to_timestamp($1::bigint / 1000.0) LIMIT ${HOURS}
  )`;

/** The day of an execution, counted from 1970-01-01. */
export function dayOf(executionId: string): number {
  return Math.floor(timeOfId(executionId) / DAY_MS);
}

/** Which partitions there are, as far as this process knows. */
export class Partitions {
  readonly #historyDays: number;
  readonly #now: () => number;
  readonly #made = new Set<number>();
  /** The first day whose hours are kept, as of the last time that others were dropped. */
  #hoursFrom: number | undefined;

  constructor(options: { historyDays: number; now: () => number }) {
    this.#historyDays = options.historyDays;
    this.#now = options.now;
  }

  /** Whether executions of that day are kept: those of the last `historyDays`, and whatever was made since. */
  keeps(day: number): boolean {
    const today = Math.floor(this.#now() / DAY_MS);
    return day >= today - this.#historyDays && day <= today + MOST_AHEAD_DAYS;
  }

  /** Whether all of these days are known to have their partitions. */
  has(days: Iterable<number>): boolean {
    return [...days].every((day) => this.#made.has(day));
  }

  /** Forgets what it knows: someone else may have dropped some. */
  forget(): void {
    this.#made.clear();
  }

  /** Makes the partitions of these days, as far as they are missing. */
  async provide(client: Client, days: Iterable<number>): Promise<void> {
    const missing = [...new Set(days)].filter((day) => !this.#made.has(day)).sort((a, b) => a - b);
    if (missing.length === 0) return;
    await client.query("BEGIN");
    try {
      await client.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
      await client.query("SELECT pg_advisory_xact_lock($1)", [SCHEMA_LOCK]);
      for (const day of missing) {
        const bounds = `FROM ('${firstIdOf(day * DAY_MS)}') TO ('${firstIdOf((day + 1) * DAY_MS)}')`;
        for (const table of TABLES) {
          await client.query(
            `CREATE TABLE IF NOT EXISTS millrace.${
              partitionOf(table, day)
            } PARTITION OF millrace.${table} FOR VALUES ${bounds}`,
          );
        }
      }
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK").catch(() => {});
      throw error;
    }
    for (const day of missing) this.#made.add(day);
  }

  /** Makes the next days' partitions, and drops those of days that are no longer kept, and their hourly counts. */
  async maintain(client: Client): Promise<void> {
    const today = Math.floor(this.#now() / DAY_MS);
    await this.provide(client, Array.from({ length: AHEAD_DAYS + 2 }, (_, i) => today - 1 + i));
    const { rows } = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = ANY ($1::regclass[])`,
      [TABLES.map((table) => `millrace.${table}`)],
    );
    for (const { name } of rows) {
      const date = /_(\d{4})(\d{2})(\d{2})$/.exec(name);
      if (date === null) continue;
      const day = Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3])) / DAY_MS;
      if (day >= today - this.#historyDays) continue;
      this.#made.delete(day);
      await client.query(`SET lock_timeout = ${LOCK_MS}`);
      try {
        await client.query(`DROP TABLE IF EXISTS millrace.${name}`);
      } finally {
        await client.query("RESET lock_timeout");
      }
    }
    await this.#dropHours(client, today - this.#historyDays);
  }

  /** Drops the counts of hours before a day: once for each day, since they are looked for among all. */
  async #dropHours(client: Client, day: number): Promise<void> {
    if (this.#hoursFrom === day) return;
    let dropped: number | null;
    do ({ rowCount: dropped } = await client.query(DROP_HOURS, [day * DAY_MS])); while (dropped === HOURS);
    this.#hoursFrom = day;
  }
}

function partitionOf(table: (typeof TABLES)[number], day: number): string {
  return `${table}_${new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "")}`;
}
