/**
 * Scenes of workers: those that live keep what they have, and those that stall lose it, once, and find that out.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_DELIVERIES } from "../cluster.ts";
import type { Member } from "../member.ts";
import type { Actor } from "./actor.ts";

/** How long a read blocks at most, in milliseconds, with some room. */
const BLOCKED_MS = 1300;
/** How often it is tried: the read of a lost link may be over before an entry comes. */
const ORPHANS = 4;
/** More than whoever takes them over begins at once. */
const MANY = 40;

/** An execution that runs for longer than a lease stays with its worker while that worker lives. */
export async function hold(actor: Actor, at?: Member): Promise<void> {
  const { echo, monitor, leaseMs } = actor.cluster;
  const gate = actor.gate();
  const ids = await actor.atGate(gate, 6, at && { at });
  monitor.takeLag();
  await sleep(leaseMs * 1.6);
  // A worker that gets no CPU for a good part of a lease may lose it: that is what a lease is.
  const isStarved = monitor.takeLag() > leaseMs / 6;
  for (const step of ["one", "two"]) echo.openGate(`${gate}-${step}`);
  await actor.ends(ids);
  for (const id of isStarved ? [] : ids) {
    const claims = (await actor.log(id)).filter(({ type }) => type === "execution.started").length;
    const calls = echo.callsOf(id, "one").length;
    await actor.expect(claims === 1 && calls === 1, "duplicated", `${claims} claims and ${calls} calls, all alive`, id);
  }
}

/** The execution of a stalled worker is taken over once; the worker's late writes are refused when it resumes. */
export async function stall(actor: Actor): Promise<void> {
  const { echo, leaseMs } = actor.cluster;
  const gate = actor.gate();
  const ids = await actor.atGate(gate, 6);
  await actor.stall(ids[0]!);
  // Long enough for whoever is back to renew what it takes to be its own.
  await sleep(leaseMs * 0.8);
  for (const step of ["one", "two"]) echo.openGate(`${gate}-${step}`);
  await actor.ends(ids);
  for (const id of ids) {
    const claims = (await actor.log(id)).filter(({ type }) => type === "execution.started").length;
    await actor.expect(claims <= 2, "duplicated", `${claims} claims after one stall`, id);
  }
}

/** What a worker that was away brings with it is not written, though its successor has not begun. */
export async function comeback(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const gate = actor.gate();
  const ids = await actor.atGate(gate, MANY);
  const takenOver = new Map<string, number>();
  await actor.stall(ids[0]!, async () => {
    for (const id of ids) if (await actor.epoch(id) !== "1") takenOver.set(id, (await actor.log(id)).length);
    // The answers to the calls of the worker that is away are there when it comes back.
    for (const step of ["one", "two"]) echo.openGate(`${gate}-${step}`);
  });
  await actor.ends(ids);
  for (const [id, length] of takenOver) {
    const events = await actor.log(id);
    const claims = events.slice(0, length).filter(({ type }) => type === "execution.started").length;
    const next = events[length];
    const isNew = claims > 1 || next?.type === "execution.started";
    await actor.expect(isNew, "duplicated", `after the takeover ${next?.type} was written for the claim before`, id);
  }
}

/** What the instance that accepted it runs for longer than a lease is nobody else's, while it lives. */
export async function holdLocal(actor: Actor): Promise<void> {
  await hold(actor, actor.cluster.whole);
}

/** What the instance that accepted it had when it stalled goes on elsewhere, once, and is its own no more. */
export async function stallLocal(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const gate = actor.gate();
  const ids = await actor.atGate(gate, 6, { at: actor.cluster.whole });
  const deliveries: (string | null)[] = [];
  await actor.stall(ids[0]!, async () => {
    const { redis, keys } = actor.cluster;
    deliveries.push(await redis.send<string | null>("HGET", keys.meta(ids[0]!), "deliveries"));
    for (const step of ["one", "two"]) echo.openGate(`${gate}-${step}`);
    await actor.ends(ids);
  });
  await actor.expect(deliveries[0] === "1", "wrong", `${deliveries[0]} deliveries that failed, not 1`, ids[0]);
  for (const id of ids) {
    const claims = (await actor.log(id)).filter(({ type }) => type === "execution.started").length;
    await actor.expect(claims === 2, "duplicated", `${claims} claims after one stall`, id);
  }
}

/** What Redis hands to a link that its worker has lost is found before its lease is over. */
export async function orphan(actor: Actor): Promise<void> {
  const [worker, ...others] = actor.cluster.working;
  for (let tries = 0; tries < ORPHANS; tries++) {
    for (const other of others) other.pause();
    try {
      // Its own blocked read is over, so that the next entry is handed to the link that waits longest: the lost one.
      await sleep(BLOCKED_MS);
      await answered(actor, "the answer after which the worker waits anew");
      worker!.proxy.orphan();
      await actor.until("the new link of a worker", async () => await blockedReads(actor) !== 1);
      await answered(actor, "the answer to who was handed to a lost link");
    } finally {
      for (const other of others) other.resume();
    }
  }
}

async function answered(actor: Actor, what: string): Promise<void> {
  let isAnswered = false;
  void actor.call("scene-plain").then(() => isAnswered = true, () => {});
  await actor.until(what, () => isAnswered);
}

/** How many links of the first worker wait for work, as Redis sees it: one, two with a lost one, or none at times. */
async function blockedReads({ cluster: { redis } }: Actor): Promise<number> {
  const clients = await redis.send<string>("CLIENT", "LIST");
  const waiting = clients.split("\n").filter((line) => / name=millrace:worker1:worker .* flags=b/.test(line));
  return waiting.length;
}

/** What ends every worker that has it is a dead letter, after as many as it may end, and not later. */
export async function poison(actor: Actor): Promise<void> {
  const { redis, keys, poisoned } = actor.cluster;
  const [id] = await actor.atGate(actor.gate(), 1);
  poisoned.add(id!);
  const isDead = async () => await redis.send<string | null>("HGET", keys.meta(id!), "status") === "failed";
  for (let stalls = 0; stalls < MAX_DELIVERIES; stalls++) {
    await actor.expect(!await isDead(), "wrong", `dead after ${stalls} workers, not ${MAX_DELIVERIES}`, id);
    await stallAt(actor, id!, "one", stalls);
  }
  await actor.until(`the dead letter after ${MAX_DELIVERIES} workers`, isDead);
  const letter = await redis.send<string | null>("ZSCORE", keys.deadLetters(keys.partitionOf(id!)), id!);
  await actor.expect(letter !== null, "lost", "there is no dead letter", id);
}

/** An execution that makes progress from one worker to the next is no dead letter, however many it ends. */
export async function progress(actor: Actor): Promise<void> {
  const { echo, redis, keys } = actor.cluster;
  const gate = actor.gate();
  const [id] = await actor.atGate(gate, 1);
  for (const step of ["one", "two"]) {
    for (let stalls = 0; stalls < MAX_DELIVERIES - 1; stalls++) await stallAt(actor, id!, step, stalls);
    echo.openGate(`${gate}-${step}`);
  }
  await actor.ends([id!]);
  const status = await redis.send<string | null>("HGET", keys.meta(id!), "status");
  await actor.expect(status === "completed", "wrong", `it is ${status}, although it made progress`, id);
}

/** Stops a worker while it runs a node that was called `before` times before: what only waits ends nobody. */
async function stallAt(actor: Actor, id: string, step: string, before: number): Promise<void> {
  await actor.until(`call ${before + 1} of ${step}`, () => actor.cluster.echo.callsOf(id, step).length > before);
  await actor.stall(id);
}
