/**
 * Scenes of cancel and pause: they reach the node that runs, and outlive the worker that was told.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Actor } from "./actor.ts";

/** A cancel ends the call that is under way. */
export async function cancel(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const gate = actor.gate();
  const [id] = await actor.atGate(gate, 1);
  await actor.ask("cancel", id!);
  await actor.until("the end of the call that was cancelled", () => echo.left(`${gate}-one`) > 0);
  const last = (await actor.log(id!)).at(-1)!;
  await actor.expect(last.type === "execution.cancelled", "wrong", `it ends with ${last.type}`, id);
  echo.openGate(`${gate}-one`);
}

/** In a pause no node starts, whoever has the execution; after it the rest is done. */
export async function pause(actor: Actor): Promise<void> {
  const { echo } = actor.cluster;
  const gate = actor.gate();
  const [id] = await actor.atGate(gate, 1);
  await actor.ask("pause", id!);
  await actor.stall(id!);
  await sleep(1000);
  for (const step of ["one", "two"]) echo.openGate(`${gate}-${step}`);
  await sleep(500);
  const events = await actor.log(id!);
  const paused = events.findIndex(({ type }) => type === "execution.paused");
  const started = events.slice(paused + 1).filter(({ type }) => type === "node.started");
  await actor.expect(paused > 0 && started.length === 0, "wrong", "a node started in a pause", id);
  await actor.ask("resume", id!);
  await actor.ends([id!]);
  const last = (await actor.log(id!)).at(-1)!;
  await actor.expect(last.type === "execution.completed", "wrong", `it ends with ${last.type}`, id);
}
