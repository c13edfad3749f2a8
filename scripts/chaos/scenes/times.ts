/**
 * Scenes of what waits: delays, retries and deadlines lie in Redis, come when they are due, and leave nothing behind.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredEvent } from "../../../src/execution/event.ts";
import { isTerminal } from "../../../src/execution/event.ts";
import { entryTime } from "../../../src/lib/entry_id.ts";
import { findTimers } from "../keyspace.ts";
import type { Actor } from "./actor.ts";
import { BRIEF_SECONDS, TRIES } from "./workflows.ts";

/** A wait that leaves its worker, in seconds, and one that outlasts the scene. */
const PARKED_SECONDS = 3;
const LONG_SECONDS = 600;
const MOST_CLAIMS = 4;

/** A long delay ends at its time, and the caller who waits for it is answered. */
export async function park(actor: Actor): Promise<void> {
  const sentAt = performance.now();
  let answer: Awaited<ReturnType<Actor["call"]>> | undefined;
  void actor.call("scene-parked", { body: { seconds: PARKED_SECONDS } }).then((made) => answer = made, () => {});
  await actor.until(`the answer to who waits for ${PARKED_SECONDS} s`, () => answer !== undefined);
  const ms = performance.now() - sentAt;
  const { status, executionId } = answer!;
  await actor.expect(status === 201, "wrong", `a status of ${status}`, executionId);
  // One before the wait and one after it; a fault that is just over may have cost one more.
  const claims = (await actor.log(executionId)).filter(({ type }) => type === "execution.started").length;
  await actor.expect(claims <= MOST_CLAIMS, "duplicated", `${claims} claims for one wait`, executionId);
  await actor.expect(ms > PARKED_SECONDS * 1000 - 50, "wrong", `answered after ${Math.round(ms)} ms`, executionId);
  await noTimerOf(actor, executionId);
}

/** A deadline is held while nobody runs what waits. */
export async function deadline(actor: Actor): Promise<void> {
  const sent = await actor.call("scene-brief", { body: { seconds: LONG_SECONDS }, async: true });
  await actor.ends([sent.executionId]);
  const events = await actor.log(sent.executionId);
  const end = events.find(isTerminal)!;
  await actor.expect(end.type === "execution.failed", "wrong", "it did not fail", sent.executionId);
  const ms = timeOf(end) - timeOf(events[0]!);
  await actor.expect(ms > BRIEF_SECONDS * 1000 - 50, "wrong", `it failed after ${ms} ms`, sent.executionId);
  await noTimerOf(actor, sent.executionId);
}

/** What is cancelled while it waits leaves no timer. */
export async function cancelParked(actor: Actor): Promise<void> {
  const { executionId } = await actor.call("scene-parked", { body: { seconds: LONG_SECONDS }, async: true });
  await actor.until("the timer", async () => (await timers(actor)).includes(executionId));
  const status = await actor.ask("cancel", executionId);
  await actor.expect(status < 300, "wrong", `cancel answered ${status}`, executionId);
  await actor.ends([executionId]);
  await noTimerOf(actor, executionId);
}

/** A node that always fails is tried as often as its policy says, and each try is counted. */
export async function retry(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const sent = [1, 2, 3].map(() => actor.call("scene-stubborn", { body: { fails: 1000 }, async: true }));
  const ids = (await Promise.all(sent)).map(({ executionId }) => executionId);
  await actor.until("the end of all tries", async () => {
    if (ids.some((id) => echo.callsOf(id, "call").length > TRIES)) return true;
    const logs = await Promise.all(ids.map((id) => actor.log(id)));
    return logs.every((events) => events.some(isTerminal));
  });
  for (const id of ids) {
    const calls = echo.callsOf(id, "call").length;
    await actor.expect(calls === TRIES, "wrong", `${calls} tries, not ${TRIES}`, id);
    if (calls > TRIES) await actor.ask("cancel", id);
  }
}

/** Redis tells when an entry was written; clocks of workers may be wrong. */
function timeOf({ id }: StoredEvent): number {
  return entryTime(id);
}

function timers({ cluster }: Actor): Promise<string[]> {
  return findTimers(cluster.redis, cluster.keys);
}

async function noTimerOf(actor: Actor, executionId: string): Promise<void> {
  // A reply goes out before the script that follows it.
  await sleep(100);
  const held = (await timers(actor)).includes(executionId);
  await actor.expect(!held, "leaked", "its timer is there after its end", executionId);
}
