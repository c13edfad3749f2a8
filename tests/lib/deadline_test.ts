import { test } from "uvu";
import * as assert from "uvu/assert";
import { Deadline } from "../../src/lib/deadline.ts";
import { pause } from "../../src/lib/delay.ts";

/** When each of these times is over, in milliseconds from now. */
async function reached(times: readonly number[]): Promise<number[]> {
  const startedAt = performance.now();
  return await Promise.all(
    times.map((ms) => new Promise<number>((resolve) => new Deadline(ms, () => resolve(performance.now() - startedAt)))),
  );
}

test("each is reached at its time, never before, whether near or far", async () => {
  const times = [-5, 0, 1, 150, 250, 399, 400, 401, 500, 650, 900];
  const at = await reached(times);
  for (const [i, ms] of times.entries()) assert.ok(at[i]! >= ms - 2, `${ms} ms were over after ${at[i]} ms`);
  // In order, but for those that are due in the same turn.
  for (let i = 1; i < at.length; i++) assert.ok(at[i]! >= at[i - 1]! - 2, `${times[i]} ms before ${times[i - 1]} ms`);
});

test("what was left is not reached, near, far, or with a timer already", async () => {
  let calls = 0;
  const count = () => void calls++;
  const [near, far, coming] = [new Deadline(50, count), new Deadline(500, count), new Deadline(700, count)];
  near.leave();
  far.leave();
  await pause(600);
  coming.leave();
  await pause(200);
  coming.leave();
  assert.is(calls, 0);
});

test("one that lasts says so once, and one that is left soon does not", async () => {
  const said: string[] = [];
  const make = (name: string, ms: number) =>
    new Deadline(ms, () => said.push(`${name} reached`), { onLasting: () => said.push(`${name} lasts`) });
  make("short", 300);
  const long = make("long", 60_000);
  make("left", 60_000).leave();
  while (!said.includes("short reached")) await pause(20);
  await pause(400);
  long.leave();
  assert.equal(said.sort(), ["long lasts", "short lasts", "short reached"]);
});

test.run();
