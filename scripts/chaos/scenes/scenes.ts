/**
 * Scenes: short stories whose end is known, for promises that luck alone seldom touches. Each is a round like a fault,
 * under the same load.
 */
import type { Breach } from "../breach.ts";
import { type Actor, SceneOver } from "./actor.ts";
import { early, lostInbox, lostReplies, oneKey } from "./answers.ts";
import { comeback, hold, holdLocal, orphan, poison, progress, stall, stallLocal } from "./leases.ts";
import { fullQueue, slots } from "./limits.ts";
import { cancel, pause } from "./steering.ts";
import { cancelParked, deadline, park, retry } from "./times.ts";

/** Every scene, by the name that `--only` takes. */
export const SCENES = {
  "scene-hold": hold,
  "scene-hold-local": holdLocal,
  "scene-stall-local": stallLocal,
  "scene-stall": stall,
  "scene-comeback": comeback,
  "scene-orphan": orphan,
  "scene-poison": poison,
  "scene-progress": progress,
  "scene-park": park,
  "scene-deadline": deadline,
  "scene-cancel-parked": cancelParked,
  "scene-retry": retry,
  "scene-cancel": cancel,
  "scene-pause": pause,
  "scene-early": early,
  "scene-one-key": oneKey,
  "scene-lost-inbox": lostInbox,
  "scene-lost-replies": lostReplies,
  "scene-slots": slots,
  "scene-full-queue": fullQueue,
} satisfies Record<string, (actor: Actor) => Promise<void>>;

/**
 * Scenes that stop one worker after the other, on purpose: whatever else ran on all of them would be a dead letter too,
 * and rightly.
 */
export const ALONE: ReadonlySet<string> = new Set<keyof typeof SCENES>(["scene-poison", "scene-progress"]);

/** The name of a scene. */
export type SceneName = keyof typeof SCENES;

/** All names. */
export const SCENE_NAMES = Object.keys(SCENES) as SceneName[];

/** Plays a scene to its end, or to where it cannot go on, and gives what it found. */
export async function play(name: SceneName, actor: Actor): Promise<readonly Breach[]> {
  try {
    await SCENES[name](actor);
  } catch (error) {
    // What is over has been told; anything else is an answer that was refused or cut off, which no promise excludes.
    if (!(error instanceof SceneOver)) {
      actor.breaches.push({ kind: "wrong", detail: `${name}: ${(error as Error).message}` });
    }
  } finally {
    await actor.leave();
  }
  return actor.breaches;
}
