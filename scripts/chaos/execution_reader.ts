/**
 * Reads an execution out of Redis as it lies there, past the product.
 */
import type { StoredEvent } from "../../src/execution/event.ts";
import type { Execution } from "./log_check.ts";
import type { ChaosRedis } from "./redis_process.ts";

/** Its log and, while there is one, its result. */
export async function readExecution(redis: ChaosRedis, id: string): Promise<Execution> {
  const [entries, result] = await Promise.all([
    redis.send<[string, string[]][]>("XRANGE", `mr:{0}:log:${id}`, "-", "+"),
    redis.send<string | null>("GET", `mr:{0}:execution:result:${id}`),
  ]);
  return { id, events: entries.map(toEvent), result: result === null ? undefined : JSON.parse(result) };
}

function toEvent([id, words]: [string, string[]]): StoredEvent {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < words.length; i += 2) fields[words[i]!] = words[i + 1]!;
  const { type, time, node, data = "{}" } = fields;
  const event = { id, type, time: Number(time), data: JSON.parse(data), ...(node === undefined ? {} : { node }) };
  return event as unknown as StoredEvent;
}
