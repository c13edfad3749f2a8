/**
 * The faults of the chaos run.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";
import { RECORD, RECORD_PLAIN } from "../../src/storage/redis/scripts/record.ts";
import type { Random } from "./random.ts";

/** Within how many milliseconds of a fault's end work must flow again. */
export const RECOVERY_MS = 3000;

/** How long leases are not looked at after Redis or a group lost what it knew, in milliseconds. */
const BLIND_MS = 8000;
/** How much before the mark Redis may have lost something: it was on its way, or is told by another clock. */
const MARK_BLUR_MS = 500;

/** How long those who wait for what is gone may wait until they are told, in milliseconds. */
const TOLD_MS = 4000;

/** How long a single write is waited for that is to be lost, in milliseconds. */
const UNWRITTEN_MS = 2000;

/** A fault that is over. Times are epoch milliseconds. */
export interface FaultWindow {
  /** What was hit, for the line of the round. */
  readonly target: string;
  readonly startedAt: number;
  /** From when on recovery is measured: its end, or for a worker that is lost the moment of its loss. */
  readonly since: number;
  readonly boundMs: number;
}

/** A kind of fault: does its harm and ends it, but for processes that stay killed. */
export type Fault = (cluster: Cluster, random: Random) => Promise<FaultWindow>;

/** Every kind, by the name that `--only` takes. */
export const FAULTS = {
  "kill-worker": async ({ workers, leaseMs }, random) => {
    const target = await busiest(workers, random);
    const startedAt = Date.now();
    await target.kill();
    return { target: target.name, startedAt, since: startedAt, boundMs: leaseMs + RECOVERY_MS };
  },
  "kill-http": async ({ http }, random) => {
    const target = random.pick(http);
    const startedAt = Date.now();
    await target.kill();
    return { target: target.name, startedAt, since: Date.now(), boundMs: RECOVERY_MS };
  },
  "stop-worker": async ({ workers, leaseMs }, random) => {
    const target = await busiest(workers, random);
    return await lostWorker(target, leaseMs, async () => {
      target.pause();
      await sleep(leaseMs + random.between(500, 1500));
      target.resume();
    });
  },
  "stop-http": async ({ http, leaseMs }, random) => {
    const target = random.pick(http);
    return await passing(target.name, async () => {
      target.pause();
      await sleep(random.chance(0.3) ? leaseMs + 1000 : random.between(500, 2500));
      target.resume();
    });
  },
  "kill-local": async ({ whole, leaseMs }) => {
    const startedAt = Date.now();
    await whole.kill();
    return { target: whole.name, startedAt, since: startedAt, boundMs: leaseMs + RECOVERY_MS };
  },
  "kill-unwritten": async ({ whole, leaseMs }) => {
    const startedAt = Date.now();
    // What has been run and is on its way to be written never arrives.
    await whole.proxy.holdBefore([RECORD.sha1, RECORD_PLAIN.sha1], UNWRITTEN_MS);
    await whole.kill();
    return { target: whole.name, startedAt, since: startedAt, boundMs: leaseMs + RECOVERY_MS };
  },
  "stop-local": async ({ whole, leaseMs }, random) =>
    await lostWorker(whole, leaseMs, async () => {
      whole.pause();
      await sleep(leaseMs + random.between(500, 1500));
      whole.resume();
    }),
  "cut-local": async ({ whole }, random) => await cutLinks([whole], random),
  "down-local": async ({ whole, leaseMs }, random) =>
    await lostWorker(whole, leaseMs, async () => {
      whole.proxy.takeDown();
      await sleep(leaseMs + random.between(500, 1500));
      whole.proxy.restore();
    }),
  "half-open-local": async ({ whole }, random) => await halfOpenLink(whole, random),
  "kill-redis": async ({ redis }, random) =>
    await passing("redis", async () => {
      await redis.kill();
      await sleep(random.between(0, 2000));
      await redis.restart();
    }),
  "stop-redis": async ({ redis }, random) =>
    await passing("redis", async () => {
      redis.pause();
      await sleep(random.chance(0.3) ? random.between(5500, 7000) : random.between(500, 3000));
      redis.resume();
    }),
  "cut-worker": async ({ workers }, random) => await cutLinks([random.pick(workers)], random),
  "cut-http": async ({ http }, random) => await cutLinks([random.pick(http)], random),
  "cut-all": async ({ members }, random) => await cutLinks(members, random),
  "down-worker": async ({ workers, leaseMs }, random) => {
    const target = await busiest(workers, random);
    return await lostWorker(target, leaseMs, async () => {
      target.proxy.takeDown();
      await sleep(leaseMs + random.between(500, 1500));
      target.proxy.restore();
    });
  },
  "down-http": async ({ http }, random) => {
    const target = random.pick(http);
    return await passing(target.name, async () => {
      target.proxy.takeDown();
      await sleep(random.between(500, 3000));
      target.proxy.restore();
    });
  },
  "half-open-worker": async ({ workers }, random) => await halfOpenLink(random.pick(workers), random),
  "half-open-http": async ({ http }, random) => await halfOpenLink(random.pick(http), random),
  "slow-links": async ({ members }, random) => {
    const targets = random.chance(0.3) ? members : [random.pick(members)];
    return await passing(namesOf(targets), async () => {
      for (const { proxy } of targets) proxy.delayMs = random.between(20, 200);
      await sleep(random.between(1000, 2500));
      for (const { proxy } of targets) proxy.restore();
    });
  },
  "orphan-worker": async ({ workers }, random) => {
    const target = random.pick(workers);
    return await passing(target.name, () => Promise.resolve(target.proxy.orphan()));
  },
  "lose-replies": async ({ members }, random) => {
    const target = random.pick(members);
    return await passing(target.name, () => target.proxy.loseReplies(random.between(50, 300)));
  },
  "client-kill": async ({ redis }) =>
    await passing("all", async () => {
      await redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    }),
  "script-flush": async ({ redis }) =>
    await passing("redis", async () => {
      await redis.send("SCRIPT", "FLUSH");
    }),
  "out-of-memory": async ({ redis }, random) =>
    await passing("redis", async () => {
      await redis.send("CONFIG", "SET", "maxmemory", "1mb");
      await sleep(random.between(500, 2500));
      await redis.send("CONFIG", "SET", "maxmemory", "0");
    }),
  "step-clock": async ({ workers }, random) => {
    const target = workers.find(({ name }) => name === "worker1")!;
    return await passing(target.name, async () => {
      target.stepClock();
      await sleep(random.between(1000, 3000));
      target.stepClock();
    });
  },
  "rewind": async (cluster, random) =>
    await losingData(cluster, async () => {
      const mark = await cluster.redis.mark();
      const from = Date.now();
      await sleep(random.between(100, 1000));
      cluster.monitor.lookAway(BLIND_MS);
      await cluster.redis.rewind(mark);
      return from;
    }),
  "failover": async (cluster, random) =>
    await losingData(cluster, async () => {
      const replica = await cluster.redis.addReplica();
      replica.lag();
      const from = Date.now();
      await sleep(random.between(100, 1000));
      cluster.monitor.lookAway(BLIND_MS);
      await replica.promote();
      cluster.followRedis();
      return from;
    }),
  "lose-group": async ({ redis, keys, monitor }, random) => {
    const [stream, group] = random.pick([["work", "workers"], ["work", "workers"], ["feed", "assembler"]] as const);
    return await passing(group, async () => {
      monitor.lookAway(BLIND_MS);
      for (const name of keys.each((partition) => keys[stream](partition))) {
        await redis.send("XGROUP", "DESTROY", name, group);
      }
    });
  },
  "calm": async (_cluster, random) => await passing("nothing", () => sleep(random.between(1000, 2000))),
} satisfies Record<string, Fault>;

/** The name of a fault. */
export type FaultName = keyof typeof FAULTS;

/** All names, in the order in which they are listed. */
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

async function passing(target: string, harm: () => Promise<void>): Promise<FaultWindow> {
  const startedAt = Date.now();
  await harm();
  return { target, startedAt, since: Date.now(), boundMs: RECOVERY_MS };
}

/** The worker that runs most: one that runs nothing is no loss. */
async function busiest(workers: readonly Member[], random: Random): Promise<Member> {
  const candidates = random.shuffle(workers);
  const running = await Promise.all(candidates.map((worker) => worker.metric("millrace_work_in_progress")));
  return candidates[running.indexOf(Math.max(...running))] ?? candidates[0]!;
}

/** Loses what is under way, then resets: an entry may have been handed to a connection that is gone. */
async function cutLinks(targets: readonly Member[], random: Random): Promise<FaultWindow> {
  const lostMs = random.between(20, 200);
  return await passing(namesOf(targets), async () => {
    await Promise.all(targets.map(({ proxy }) => proxy.cut(lostMs)));
  });
}

/** What was connected stays connected and never hears anything again; new connections work afterwards. */
async function halfOpenLink(target: Member, random: Random): Promise<FaultWindow> {
  return await passing(target.name, async () => {
    target.proxy.halfOpen();
    await sleep(random.between(500, 3000));
    target.proxy.restore();
  });
}

/** A worker that is away past its lease: its work is taken over while it is away, so its loss counts. */
async function lostWorker({ name }: Member, leaseMs: number, harm: () => Promise<void>): Promise<FaultWindow> {
  const startedAt = Date.now();
  await harm();
  return { target: name, startedAt, since: startedAt, boundMs: leaseMs + RECOVERY_MS };
}

/** Redis forgets what it was given since a moment, which `harm` says. Whoever waits for what is gone is told. */
async function losingData({ rewinds }: Cluster, harm: () => Promise<number>): Promise<FaultWindow> {
  const startedAt = Date.now();
  const rewind = { from: startedAt - MARK_BLUR_MS, to: Infinity };
  rewinds.push(rewind);
  Object.assign(rewind, { from: await harm() - MARK_BLUR_MS, to: Date.now() });
  return { target: "redis", startedAt, since: Date.now(), boundMs: TOLD_MS + RECOVERY_MS };
}

function namesOf(members: readonly Member[]): string {
  return members.length > 1 ? "all" : members[0]!.name;
}
