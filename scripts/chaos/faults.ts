/**
 * What can go wrong, one fault at a time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, LEASE_SECONDS } from "./cluster.ts";
import type { Member } from "./member.ts";
import type { Random } from "./random.ts";

/** Within how many milliseconds of a fault's end work must flow again. */
export const RECOVERY_MS = 3000;
const LEASE_MS = LEASE_SECONDS * 1000;

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
  "kill-worker": async ({ workers }, random) => {
    const target = await busiest(workers, random);
    const startedAt = Date.now();
    await target.kill();
    return { target: target.name, startedAt, since: startedAt, boundMs: LEASE_MS + RECOVERY_MS };
  },
  "kill-http": async ({ http }, random) => {
    const target = random.pick(http);
    const startedAt = Date.now();
    await target.kill();
    return { target: target.name, startedAt, since: Date.now(), boundMs: RECOVERY_MS };
  },
  "stop-worker": async ({ workers }, random) => {
    const target = await busiest(workers, random);
    return await lostWorker(target, async () => {
      target.pause();
      await sleep(LEASE_MS + random.between(500, 1500));
      target.resume();
    });
  },
  "stop-http": async ({ http }, random) => {
    const target = random.pick(http);
    return await passing(target.name, async () => {
      target.pause();
      await sleep(random.chance(0.3) ? LEASE_MS + 1000 : random.between(500, 2500));
      target.resume();
    });
  },
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
  "down-worker": async ({ workers }, random) => {
    const target = await busiest(workers, random);
    return await lostWorker(target, async () => {
      target.proxy.takeDown();
      await sleep(LEASE_MS + random.between(500, 1500));
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
  "lose-group": async ({ redis }, random) => {
    const [stream, group] = random.pick([["work", "workers"], ["work", "workers"], ["feed", "assembler"]] as const);
    return await passing(group, async () => {
      await redis.send("XGROUP", "DESTROY", `mr:{0}:${stream}`, group);
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
async function lostWorker({ name }: Member, harm: () => Promise<void>): Promise<FaultWindow> {
  const startedAt = Date.now();
  await harm();
  return { target: name, startedAt, since: startedAt, boundMs: LEASE_MS + RECOVERY_MS };
}

function namesOf(members: readonly Member[]): string {
  return members.length > 1 ? "all" : members[0]!.name;
}
