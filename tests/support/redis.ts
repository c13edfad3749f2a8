/**
 * The Redis servers of a test run, and a key prefix for each test file.
 *
 * @example
 * ```ts
 * for (const { name, url } of redisVariants()) {
 *   const prefix = uniquePrefix();
 *   const test = suite(`ExecutionLog on ${name}`);
 *   test.after(() => removeKeys(url, prefix));
 *   test.run();
 * }
 * ```
 */
import { randomBytes } from "node:crypto";
import { createClient } from "redis";

/** A Redis to test against. */
export interface RedisVariant {
  /** Such as "redis with JSON". */
  readonly name: string;
  readonly url: string;
}

/** The servers that the test command provides; contract suites run against each. */
export function redisVariants(): RedisVariant[] {
  const { TEST_REDIS_URL, TEST_REDIS_PLAIN_URL } = process.env;
  if (!TEST_REDIS_URL) {
    throw new Error("TEST_REDIS_URL is not set: run this file through ./scripts/test --only <part of its path>");
  }
  return [
    { name: "redis", url: TEST_REDIS_URL },
    ...(TEST_REDIS_PLAIN_URL ? [{ name: "redis without JSON", url: TEST_REDIS_PLAIN_URL }] : []),
  ];
}

/** A random `REDIS_PREFIX`, such as `t-1f2e3d4c:`. */
export function uniquePrefix(): string {
  return `t-${randomBytes(4).toString("hex")}:`;
}

/** Removes every key that begins with `prefix`; returns how many there were. */
export async function removeKeys(url: string, prefix: string): Promise<number> {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  try {
    let count = 0;
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 1000 })) {
      if (keys.length > 0) count += await client.unlink(keys);
    }
    return count;
  } finally {
    client.destroy();
  }
}
