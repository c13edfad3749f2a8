/**
 * Finds resources that are still held after all executions have ended.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Breach } from "./breach.ts";
import type { Cluster } from "./cluster.ts";
import { findEternalKeys, findTimers } from "./keyspace.ts";
import type { Member } from "./member.ts";
import { paced } from "./pace.ts";

/** An inbox is trimmed every two seconds, and keeps the newest entry. */
const INBOX_LENGTH = 100;
/** Sockets and timers come and go: this many more descriptors are no leak. */
const MORE_FILES = 12;
/** What a renewal of leases may take on a quiet machine, in milliseconds. */
const RENEWAL_MS = 100;

/** How many descriptors each process has open, by its id; taken while no caller is connected. */
export async function countFiles(members: readonly Member[]): Promise<Map<number, number>> {
  const alive = members.filter(({ alive }) => alive);
  return new Map(await Promise.all(alive.map(async (m) => [m.pid, await m.openFiles()] as const)));
}

/** Looks until nothing is held any more, at most for `settleMs`. */
export async function findLeaks(
  cluster: Cluster,
  options: { filesBefore: ReadonlyMap<number, number>; settleMs: number },
): Promise<Breach[]> {
  const { filesBefore, settleMs } = options;
  let held: string[] = [];
  for (const from = Date.now(); Date.now() - from < paced(settleMs); await sleep(200)) {
    held = [...await heldInRedis(cluster), ...await heldByMembers(cluster, filesBefore)];
    if (held.length === 0) break;
  }
  return held.map((detail) => ({ kind: "leaked", detail }));
}

async function heldInRedis({ redis, keys, poisoned, leaseMs }: Cluster): Promise<string[]> {
  const held: string[] = [];
  const expectNone = (what: string, count: number) => {
    if (count > 0) held.push(`${what}: ${count}`);
  };
  const pending = async (stream: string, group: string) =>
    (await redis.send<[number]>("XPENDING", stream, group).catch(() => [0] as const))[0];
  // On a machine that is too slow to renew them in time, leases lapse again and again that nobody has let go.
  const keepsLeases = paced(RENEWAL_MS) < leaseMs / 3;
  for (let partition = 0; partition < keys.partitions; partition++) {
    expectNone("pending work entries", await pending(keys.work(partition), "workers"));
    expectNone("work entries", await redis.send<number>("XLEN", keys.work(partition)));
    expectNone("pending feed entries", await pending(keys.feed(partition), "assembler"));
    const active = await redis.send<string[]>("ZRANGE", keys.index(partition, "status:active"), "0", "-1");
    expectNone(`executions listed as active (${active.slice(0, 3).join(", ")})`, active.length);
    const dead = keepsLeases ? await redis.send<string[]>("ZRANGE", keys.deadLetters(partition), "0", "-1") : [];
    expectNone("dead letters of executions that ended nobody", dead.filter((id) => !poisoned.has(id)).length);
  }
  const timers = await findTimers(redis, keys);
  expectNone(`timers (${timers.slice(0, 3).join(", ")})`, timers.length);
  for (const inbox of await redis.send<string[]>("KEYS", "mr:*:inbox:*")) {
    const length = await redis.send<number>("XLEN", inbox);
    if (length > INBOX_LENGTH) held.push(`entries of ${inbox}: ${length}`);
  }
  return [...held, ...await findEternalKeys(redis, keys)];
}

async function heldByMembers(cluster: Cluster, filesBefore: ReadonlyMap<number, number>): Promise<string[]> {
  const held: string[] = [];
  for (const member of cluster.members) {
    if (!member.alive) {
      held.push(`${member.name} has ended by itself`);
      continue;
    }
    const waiters = await member.metric("millrace_waiters");
    if (waiters > 0) held.push(`waiters on ${member.name}: ${waiters}`);
    const running = await member.metric("millrace_work_in_progress");
    if (running > 0) held.push(`executions running on ${member.name}: ${running}`);
    const before = filesBefore.get(member.pid);
    const files = await member.openFiles();
    if (before !== undefined && files > before + MORE_FILES) {
      held.push(`open files of ${member.name}: ${files}, ${before} at the start`);
    }
  }
  return held;
}
