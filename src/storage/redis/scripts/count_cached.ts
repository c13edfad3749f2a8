/**
 * Counts what became of lookups in caches.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Adds to the counts of a day. */
export const COUNT_CACHED = defineScript(
  `
-- KEYS  1 the day's counts
-- ARGV  1 TTL (s)  2.. what is counted, and how many more, in turn
-- Reply 1
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return redis.call('EXPIRE', KEYS[1], ARGV[1])
`,
  { allowOom: true },
);

/** What {@linkcode countCached} takes. */
export interface CountCachedOptions {
  /** The counts of the day. */
  readonly keys: { readonly day: string };
  /** How long they are kept, in seconds. */
  readonly ttlSeconds: number;
  /** How many more, by what is counted. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Adds to counts. */
export async function countCached(connection: RedisConnection, options: CountCachedOptions): Promise<void> {
  const { keys, ttlSeconds, counts } = options;
  const pairs = [...counts].flatMap(([what, more]) => [what, String(more)]);
  await runScript<number>(connection, COUNT_CACHED, { keys: [keys.day], args: [String(ttlSeconds), ...pairs] });
}
