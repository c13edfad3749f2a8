/**
 * Those who wait for locks on this instance: they are woken by a stream of their own, one a partition, that is read
 * over the connection on which the instance's replies come.
 *
 * Invariants:
 * 1. A wait is known, and its stream followed from its beginning, before the lock is asked for: a fast grant is not
 *    missed.
 * 2. The stream is the sign that the instance lives: while it waits or has waited, it is kept, and it expires
 *    `WAKES_TTL_MS` after the last sign. Then those who release locks pass this instance's waiters over.
 * 3. Whoever was passed over, or whose grant was lost with the stream, is found by the next look, and asks again, under
 *    the same token and with the arrival of the first time: twice the same changes nothing, and nobody loses its turn.
 * 4. A lease that ends without a release is ended by the look that is due then.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { lockWakes } from "./lock_keys.ts";
import { watchLocks } from "./scripts/watch_locks.ts";
import type { StreamReader } from "./streams/stream_reader.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";

/** How long the stream outlives its instance, and how often that looks after its waiters, in milliseconds. */
export const WAKES_TTL_MS = 3000;
const LOOK_MS = 1000;
/** The shortest time between two looks, in milliseconds, and how many waiters one script looks for. */
const LEAST_MS = 5;
const CHUNK = 500;

/** Why a wait goes on: its lock was granted, its place is gone, its time is over, or its signal aborted. */
export type Wake = "granted" | "misplaced" | "over" | "aborted";

/** One wait. */
export class LockWait {
  readonly name: string;
  /** As it stands in the queue. */
  readonly member: string;
  #wake: Wake | undefined;
  #resolve: (() => void) | undefined;

  constructor(options: { name: string; member: string }) {
    this.name = options.name;
    this.member = options.member;
  }

  /** Says why it goes on; the end of a wait is final. */
  wake(why: Wake): void {
    this.#wake = this.ended ?? why;
    this.#resolve?.();
  }

  /** Why it is over, if it is. */
  get ended(): Wake | undefined {
    return this.#wake === "over" || this.#wake === "aborted" ? this.#wake : undefined;
  }

  /** Waits for the next reason to go on, and forgets it unless it is final. */
  async next(): Promise<Wake> {
    if (this.#wake === undefined) await new Promise<void>((resolve) => this.#resolve = resolve);
    const why = this.#wake!;
    this.#wake = this.ended;
    return why;
  }
}

/** What the waits are made of. */
export interface LockWaitsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Reads the stream that wakes waiters, with a connection that blocks. */
  readonly reader: StreamReader;
  /** Without spaces. */
  readonly instance: string;
  /** Hears of locks that were stolen, by their tokens. */
  readonly onLost: (token: string) => void;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** One partition's stream, and when it is looked after next. */
interface Place {
  cursor: string;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** The monotonic time for which the timer is set. */
  dueAt: number;
}

/** All waits of an instance, by token. */
export class LockWaits {
  readonly #options: LockWaitsOptions;
  readonly #waits = new Map<string, LockWait>();
  readonly #places = new Map<number, Place>();
  #isClosed = false;

  constructor(options: LockWaitsOptions) {
    this.#options = options;
  }

  /** Sees to it that what happens to this instance's locks of a partition is heard (invariant 1). */
  listen(partition: number): void {
    if (this.#places.has(partition) || this.#isClosed) return;
    const { keys, reader, instance } = this.#options;
    const place: Place = { cursor: "0-0", timer: undefined, dueAt: Infinity };
    this.#places.set(partition, place);
    reader.follow(lockWakes(keys, partition, instance), "0-0", (entries) => this.#take(place, entries));
    this.#schedule(partition, LOOK_MS);
  }

  /** Adds a wait, and undoes that when it is disposed of. */
  add(token: string, wait: LockWait): Disposable {
    this.#waits.set(token, wait);
    return { [Symbol.dispose]: () => void this.#waits.delete(token) };
  }

  /** Schedules a look for the end of a lease that a waiter waits for, unless an earlier one is scheduled. */
  lookIn(partition: number, ms: number): void {
    this.#schedule(partition, ms);
  }

  /** Ends all waits, and takes the sign of life away. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { keys, commands, reader, instance } = this.#options;
    for (const wait of this.#waits.values()) wait.wake("over");
    await Promise.all([...this.#places].map(async ([partition, { timer }]) => {
      clearTimeout(timer);
      reader.unfollow(lockWakes(keys, partition, instance));
      await commands.send(["DEL", lockWakes(keys, partition, instance)]).catch(() => {});
    }));
  }

  #take(place: Place, entries: readonly StreamEntry[]): void {
    for (const { id, fields } of entries) {
      place.cursor = id;
      const granted = fields.get("granted");
      if (granted !== undefined) this.#waits.get(granted)?.wake("granted");
      const lost = fields.get("lost");
      if (lost !== undefined) this.#options.onLost(lost);
    }
  }

  #schedule(partition: number, ms: number): void {
    const place = this.#places.get(partition);
    const dueAt = performance.now() + ms;
    if (place === undefined || this.#isClosed || (place.timer !== undefined && place.dueAt <= dueAt)) return;
    clearTimeout(place.timer);
    place.dueAt = dueAt;
    place.timer = setTimeout(() => {
      place.timer = undefined;
      this.#look(partition, place).catch(this.#options.onError);
    }, Math.max(LEAST_MS, ms));
  }

  async #look(partition: number, place: Place): Promise<void> {
    let nextMs = LOOK_MS;
    try {
      for (const waiters of this.#chunks(partition)) {
        nextMs = Math.min(nextMs, await this.#lookAfter(partition, place, waiters));
      }
    } finally {
      this.#schedule(partition, nextMs);
    }
  }

  /** Looks after some waiters; replies with the milliseconds after which to look again. */
  async #lookAfter(partition: number, place: Place, waits: readonly [string, LockWait][]): Promise<number> {
    const { keys, commands, instance } = this.#options;
    if (!commands.ready) return LOOK_MS;
    const waiters = new Map<string, string[]>();
    for (const [, { name, member }] of waits) waiters.set(name, [...waiters.get(name) ?? [], member]);
    const [firstEndMs, ...missing] = await watchLocks(commands, {
      keys: { wakes: lockWakes(keys, partition, instance) },
      base: keys.base(partition),
      wakesTtlMs: WAKES_TTL_MS,
      instance,
      cursor: place.cursor,
      waiters,
    });
    for (const member of missing) this.#waits.get(member.slice(0, member.indexOf(" ")))?.wake("misplaced");
    return firstEndMs < 0 ? LOOK_MS : firstEndMs + 1;
  }

  /** The waits of a partition, so many at once; one empty chunk when there are none, for the sign of life. */
  *#chunks(partition: number): Iterable<[string, LockWait][]> {
    const { keys } = this.#options;
    const waits = [...this.#waits].filter(([, { name }]) => keys.partitionOf(name) === partition);
    for (let at = 0; at === 0 || at < waits.length; at += CHUNK) yield waits.slice(at, at + CHUNK);
  }
}
