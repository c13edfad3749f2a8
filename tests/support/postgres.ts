/**
 * The PostgreSQL of a test run, and a database for each test file.
 *
 * @example
 * ```ts
 * const database = await openDatabase();
 * const test = suite(`Archive${database.skipped}`);
 * const databaseTest = database.only(test);
 * databaseTest("…", …);
 * test.after(() => database.drop());
 * ```
 */
import { randomBytes } from "node:crypto";
import pg from "pg";
import type { Test } from "uvu";

/** A database of its own for one test file. */
export interface TestDatabase {
  /** `undefined` where there is no PostgreSQL. */
  readonly url: string | undefined;
  /** Appended to the name of a suite: says that its tests are skipped when there is no PostgreSQL; otherwise `""`. */
  readonly skipped: string;
  /** Registers tests that need the database; without a PostgreSQL they are skipped and counted as skipped. */
  only(test: Test): (name: string, run: () => Promise<void>) => void;
  /** Runs one statement. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** Makes a database on the server of the test run. */
export async function openDatabase(): Promise<TestDatabase> {
  const { TEST_DATABASE_URL: server, TEST_DATABASE_MISSING: reason = "run through ./scripts/test" } = process.env;
  if (!server) {
    return {
      url: undefined,
      skipped: ` (skipped, no PostgreSQL: ${reason})`,
      only: (test) => test.skip,
      query: () => Promise.reject(new Error(reason)),
      drop: () => Promise.resolve(),
    };
  }
  const name = `t_${randomBytes(4).toString("hex")}`;
  await withClient(server, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    skipped: "",
    only: (test) => test,
    query: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await withClient(url.href, (client) => client.query<Row>(text, values))).rows,
    drop: async () => {
      await withClient(server, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Runs `work` with a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
