/**
 * The servers of a test run: two Redis, and a PostgreSQL where a test file asks for one.
 */
import { findPostgres, startPostgres } from "./postgres.ts";
import { findRedisServer, FOUND_VARIABLE, startRedis } from "./redis.ts";
import { testFileNeeds } from "./test_file.ts";

/** Servers that run, and how test files find them. */
export interface TestServers extends AsyncDisposable {
  readonly env: Record<string, string>;
  /** Lines for the end of the report. */
  readonly summary: readonly string[];
}

/** Nothing to stop. */
const given = { [Symbol.asyncDispose]: () => Promise.resolve() };

/** A Redis with JSON and one without, or the one that REDIS_URL names. */
export async function provideRedis(): Promise<TestServers> {
  const url = process.env.REDIS_URL;
  if (url) return { env: { TEST_REDIS_URL: url }, summary: ["Redis: REDIS_URL", "Drivers: memory, redis"], ...given };
  const server = await findRedisServer();
  const first = await startRedis({ json: true });
  const second = first.json ? await startRedis({ json: false }) : undefined;
  const plain = second?.json ? undefined : second;
  const drivers = ["memory", `redis ${first.json ? "with" : "without"} JSON`, ...(plain ? ["redis without JSON"] : [])];
  return {
    env: {
      [FOUND_VARIABLE]: JSON.stringify(server),
      TEST_REDIS_URL: first.url,
      ...(plain ? { TEST_REDIS_PLAIN_URL: plain.url } : {}),
    },
    summary: [server.description, `Drivers: ${drivers.join(", ")}`],
    [Symbol.asyncDispose]: async () => {
      await Promise.all([first.stop(), second?.stop()]);
    },
  };
}

/**
 * A PostgreSQL if one of these test files asks for it (`// postgres` in its first five lines): the one that DATABASE_URL
 * or TEST_DATABASE_URL names, or one of its own. Where there is none the tests that need it are skipped and say why.
 */
export async function providePostgres(paths: readonly string[]): Promise<TestServers> {
  const needs = await Promise.all(paths.map(testFileNeeds));
  if (!needs.some(({ postgres }) => postgres)) return { env: {}, summary: [], ...given };
  const url = process.env.TEST_DATABASE_URL || process.env.DATABASE_URL;
  if (url) return { env: { TEST_DATABASE_URL: url }, summary: ["PostgreSQL: DATABASE_URL"], ...given };
  const found = await findPostgres();
  if ("reason" in found) return missing(found.reason);
  try {
    const postgres = await startPostgres(found);
    return {
      env: { TEST_DATABASE_URL: postgres.url, TEST_POSTGRES_BINARIES: found.binaries },
      summary: [`PostgreSQL ${found.version} from ${found.binaries}`],
      [Symbol.asyncDispose]: () => postgres.stop(),
    };
  } catch (error) {
    return missing((error as Error).message);
  }
}

function missing(reason: string): TestServers {
  return { env: { TEST_DATABASE_MISSING: reason }, summary: [`PostgreSQL: none, ${reason}`], ...given };
}
