/**
 * Reads an execution out of Redis as it lies there, past the product.
 */
import type { Keys } from "../../src/storage/redis/keys.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import { entryIdBefore } from "../../src/lib/entry_id.ts";
import { timesToLive } from "./keyspace.ts";
import type { Execution } from "./log_check.ts";
import type { ChaosRedis } from "./redis_process.ts";

/** Its log, its result while there is one, and how long each of its keys is still kept. */
export async function readExecution(
  { redis, keys }: { redis: ChaosRedis; keys: Keys },
  id: string,
): Promise<Execution> {
  const names = {
    log: keys.log(id),
    meta: keys.meta(id),
    result: keys.result(id),
    state: keys.state(id),
    values: keys.values(id),
  };
  const [entries, result, ttls] = await Promise.all([
    redis.send<[string, string[]][]>("XRANGE", names.log, "-", "+"),
    redis.send<string | null>("GET", names.result),
    timesToLive(redis, Object.values(names)),
  ]);
  const eternal = Object.keys(names).filter((_, i) => ttls[i] === -1);
  return { id, events: entries.flatMap(toEvents), result: result === null ? undefined : JSON.parse(result), eternal };
}

function toEvents([id, words]: [string, string[]]): StoredEvent[] {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < words.length; i += 2) fields[words[i]!] = words[i + 1]!;
  const { type, time, node, data = "{}", startedAt } = fields;
  const event = { id, type, time: Number(time), data: JSON.parse(data), ...(node === undefined ? {} : { node }) };
  if (startedAt === undefined) return [event as unknown as StoredEvent];
  const start = { id: entryIdBefore(id), type: "node.started", time: Number(startedAt), node, data: { attempt: 1 } };
  return [start, event] as unknown as StoredEvent[];
}
