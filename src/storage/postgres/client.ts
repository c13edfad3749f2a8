/**
 * One connection as whoever sends statements has it.
 */
import type pg from "pg";
import { settles } from "../../lib/delay.ts";

/** One connection, each of whose statements has its time. */
export interface Client {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>;
}

/** The same connection; a statement without an answer within `ms` milliseconds fails. */
export function timed(connection: pg.ClientBase, ms: number): Client {
  return {
    query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
      within(connection.query<Row>(text, values), ms),
  };
}

/** What `work` comes to within `ms` milliseconds; one that came in a standstill is in time. */
async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  for (const timeoutMs of [ms, 1]) if (await settles(work, { timeoutMs })) return await work;
  throw new Error(`No answer within ${ms} ms`);
}
