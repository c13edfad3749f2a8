/**
 * Checks the keys in Redis after all executions have ended: everything that grows has expired, was trimmed or deleted.
 */
import type { Keys } from "../../src/storage/redis/keys.ts";
import type { ChaosRedis } from "./redis_process.ts";

/** What may stay for ever, since something trims it or its number does not grow with executions. */
const STAYS = [
  /^audit$/,
  /^work$/,
  /^feed$/,
  /^dead(-letters$|:)/,
  /^index(:|-)/,
  /^workflow(s|:)/,
  /^webhooks$/,
  /^control$/,
  /^(documents|partitions)$/,
];
/** Kinds that belong to one execution: what ends them gives each a time to live. */
export const OF_AN_EXECUTION = ["log", "meta", "execution:result", "state", "values"] as const;
const AT_ONCE = 500;

/** Names of all keys. */
export async function allKeys(redis: ChaosRedis, match = "mr:*"): Promise<string[]> {
  const names = new Set<string>();
  for (let cursor = "0";;) {
    const [next, found] = await redis.send<[string, string[]]>("SCAN", cursor, "MATCH", match, "COUNT", "1000");
    for (const name of found) names.add(name);
    cursor = next;
    if (cursor === "0") return [...names];
  }
}

/** Milliseconds that are left to each of these keys: -1 for ever, -2 gone. */
export function timesToLive(redis: ChaosRedis, names: readonly string[]): Promise<number[]> {
  return Promise.all(names.map((name) => redis.send<number>("PTTL", name)));
}

/** Keys that nothing will ever remove, by kind with their number, such as `slots: 2 (mr:{0}:slots:a, …)`. */
export async function findEternalKeys(redis: ChaosRedis, keys: Keys): Promise<string[]> {
  const timers = new Set(keys.each((partition) => keys.timers(partition)));
  const byKind = new Map<string, string[]>();
  const names = await allKeys(redis);
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const page = names.slice(i, i + AT_ONCE);
    for (const [j, ttl] of (await timesToLive(redis, page)).entries()) {
      const name = page[j]!;
      const kind = name.replace(/^mr:(\{\d+\}:)?/, "");
      if (ttl !== -1 || timers.has(name) || STAYS.some((pattern) => pattern.test(kind))) continue;
      const group = kind.replace(/^(execution:result|[^:]*).*$/, "$1");
      byKind.set(group, [...byKind.get(group) ?? [], name]);
    }
  }
  return [...byKind].map(([kind, held]) => `keys that never expire, ${kind}: ${held.length} (${held.slice(0, 3)})`);
}

/** Members of the timers that belong to an execution; what looks after a workflow's queue goes by itself. */
export async function findTimers(redis: ChaosRedis, keys: Keys): Promise<string[]> {
  const sets = keys.each((partition) => keys.timers(partition));
  const members = await Promise.all(sets.map((set) => redis.send<string[]>("ZRANGE", set, "0", "-1")));
  return members.flat().filter((member) => !member.startsWith("admit:"));
}
