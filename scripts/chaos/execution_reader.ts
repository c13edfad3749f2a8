/**
 * Reads an execution out of Redis as it lies there, past the product.
 */
import type { Keys } from "../../src/storage/redis/keys.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
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

/** The events of one entry of a log: one in fields, or several, a field each. */
export function toEvents([id, words]: [string, string[]]): StoredEvent[] {
  const fields: [string, string][] = [];
  for (let i = 0; i + 1 < words.length; i += 2) fields.push([words[i]!, words[i + 1]!]);
  const { type, time, node, data = "{}" } = Object.fromEntries(fields);
  if (type !== undefined) {
    const event = { id, type, time: Number(time), data: JSON.parse(data), ...(node === undefined ? {} : { node }) };
    return [event as unknown as StoredEvent];
  }
  const events = fields.flatMap(([name, value]) => {
    const [type, node] = name.split(" ");
    const [, start, time, data] = /^(?:(\d+)\/)?(\d+) (.*)$/s.exec(value)!;
    const event = { type, time: Number(time), ...(node === undefined ? {} : { node }), data: JSON.parse(data!) };
    const started = { type: "node.started", time: Number(start), node, data: { attempt: 1 } };
    return start === undefined ? [event] : [started, event];
  });
  const [ms, first] = id.split("-");
  return events.map((event, i) => ({ id: `${ms}-${Number(first) + i}`, ...event }) as unknown as StoredEvent);
}
