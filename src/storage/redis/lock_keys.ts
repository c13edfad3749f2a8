/**
 * The names of the keys of locks. What belongs to one lock lies in the partition of its name.
 */
import type { Keys } from "./keys.ts";
import type { LockKeys } from "./scripts/lock_library.ts";

/** What a script about one lock touches. */
export function lockKeys(keys: Keys, name: string): LockKeys {
  const partition = keys.partitionOf(name);
  const base = keys.base(partition);
  return {
    holder: `${base}lock:${name}`,
    shared: `${base}lock-shared:${name}`,
    sharers: `${base}lock-sharers:${name}`,
    queue: `${base}lock-queue:${name}`,
    fence: `${base}lock-fence`,
    index: lockIndex(keys, partition),
  };
}

/** Sorted set of the locks that are held, scored with the end of their last lease (ms). */
export function lockIndex(keys: Keys, partition: number): string {
  return `${keys.base(partition)}locks`;
}

/** Stream on which an instance hears that locks were granted to it, and taken from it. */
export function lockWakes(keys: Keys, partition: number, instance: string): string {
  return `${keys.base(partition)}lock-wakes:${instance}`;
}
