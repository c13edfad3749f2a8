/**
 * Scenes of limits: slots and queues hold no more than they may, and let go of what has ended.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { QUEUE_LIMIT } from "../cluster.ts";
import type { Actor } from "./actor.ts";
import { SLOTS } from "./workflows.ts";

const CALLERS = 16;

/** No more run than there are slots, each that ends lets the next one begin, and none is held at the end. */
export async function slots(actor: Actor): Promise<void> {
  const { echo, redis, keys } = actor.cluster;
  const gate = actor.gate();
  const sent = Array.from({ length: 4 * SLOTS }, () => actor.call("scene-limited", { body: { gate }, async: true }));
  const ids = (await Promise.all(sent)).map(({ executionId }) => executionId);
  await actor.until(`${SLOTS} that run`, () => echo.waiting(`${gate}-one`) >= SLOTS);
  await sleep(500);
  const running = echo.waiting(`${gate}-one`);
  await actor.expect(running === SLOTS, "duplicated", `${running} run at once, not ${SLOTS}`);
  echo.openGate(`${gate}-one`);
  await actor.ends(ids);
  for (const name of ["slots", "admission"] as const) {
    const sets = keys.each((partition) => keys[name](partition, "scene-limited"));
    const held = await Promise.all(sets.map((set) => redis.send<number>("ZCARD", set)));
    const sum = held.reduce((total, count) => total + count, 0);
    await actor.expect(sum === 0, "leaked", `${sum} in ${sets.join(", ")}`);
  }
}

/** While no worker takes anything, no more is queued than may be; what was accepted is done afterwards. */
export async function fullQueue(actor: Actor): Promise<void> {
  const { redis, keys, working, http } = actor.cluster;
  const length = async () => {
    const streams = keys.each((partition) => keys.work(partition));
    return Math.max(...await Promise.all(streams.map((stream) => redis.send<number>("XLEN", stream))));
  };
  const accepted: string[] = [];
  let left = QUEUE_LIMIT * keys.partitions + 5 * CALLERS;
  let refused = 0;
  for (const worker of working) worker.pause();
  try {
    await Promise.all(Array.from({ length: CALLERS }, async (_, i) => {
      while (left-- > 0) {
        const { status, executionId } = await actor.call("scene-plain", { async: true, at: http[i % http.length]! });
        if (status === 503) refused++;
        else accepted.push(executionId);
      }
    }));
  } finally {
    for (const worker of working) worker.resume();
  }
  const longest = await length();
  await actor.expect(longest <= QUEUE_LIMIT, "leaked", `${longest} are queued, not ${QUEUE_LIMIT}`);
  await actor.expect(refused > 0, "leaked", `nothing was refused of ${accepted.length}`);
  await actor.until("the queue's end", async () => await length() < QUEUE_LIMIT / 4);
  await actor.ends(accepted.slice(-20));
}
