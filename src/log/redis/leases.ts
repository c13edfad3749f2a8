/**
 * The leases of one worker: what it holds is renewed, and what nobody has renewed for a lease is taken over.
 *
 * Invariants:
 * 1. A lease is renewed only while the entry is still this consumer's, in the script that looks (XCLAIM steals).
 * 2. A claim that had another holder before, or may have had one, gets a higher epoch before it is handed out.
 * 3. No more is taken over than there is room for.
 */
import type { RedisConnection, Reply } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import { runScript } from "../../redis/script.ts";
import { parseEntries, type StreamEntry } from "../../redis/stream_replies.ts";
import type { Claim } from "../port.ts";
import { decodeClaim } from "./codec.ts";
import { CLAIM, LEASE } from "./scripts.ts";

/** How often it looks for leases that lapsed, at most, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How many leases one script renews, and takes over. */
const RENEWED = 2000;
const TAKEN_OVER = 100;

/** What leases are made of. */
export interface LeasesOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  /** The consumer's name. */
  readonly instance: string;
  readonly group: string;
  readonly leaseMs: number;
  /** How many claims may end without a word before an execution is a dead letter. */
  readonly maxDeliveries: number;
  /** How many executions may be taken over now. */
  readonly room: () => number;
  /** Hears of executions that are no longer this worker's. */
  readonly onLost: (executionId: string) => void;
  /** Ends an execution that has ended too many workers. */
  readonly onDead: (claim: Claim, deliveries: number) => Promise<void>;
  /** Hears that {@linkcode Leases.takenOver} has something. */
  readonly onTakenOver: () => void;
  readonly onError: (error: unknown) => void;
}

/** The claims that this worker holds. */
export class Leases {
  /** Claimed for this worker, not yet handed out. */
  readonly takenOver: Claim[] = [];
  readonly #options: LeasesOptions;
  /** By `<partition> <entry id>`. */
  readonly #held = new Map<string, Claim>();
  /** Where the search for lapsed leases goes on, a partition each. */
  readonly #cursors: string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  /** By the monotonic clock: a system clock that is set back must not keep a lease from being renewed. */
  #renewedAt = -Infinity;
  #keeping = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  start(): void {
    const everyMs = Math.max(100, Math.min(LOOK_EVERY_MS, this.#options.leaseMs / 3));
    this.#timer ??= setInterval(() => this.keep().catch(this.#options.onError), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  hold(claim: Claim): Claim {
    this.#held.set(this.#key(claim), claim);
    return claim;
  }

  /** Forgets a claim: its lease is renewed no more. */
  drop(claim: Claim): void {
    const key = this.#key(claim);
    if (this.#held.get(key) === claim) this.#held.delete(key);
  }

  has(partition: number, entryId: string): boolean {
    return this.#held.has(`${partition} ${entryId}`);
  }

  /** Makes entries this worker's under a higher epoch; `counted`: whoever had them ended without a word. */
  async claim(partition: number, entries: readonly StreamEntry[], options: { counted: boolean }): Promise<Claim[]> {
    const fresh = entries.filter(({ id }) => !this.has(partition, id));
    const claims = await Promise.all(fresh.map((entry) => this.#raise(decodeClaim(entry), options)));
    return claims.filter((claim) => claim !== undefined);
  }

  /** Claims again what another claim turned out to have written to. */
  async reclaim(claim: Claim): Promise<void> {
    const again = await this.#raise(claim, { counted: false });
    if (again === undefined) return;
    this.takenOver.push(again);
    this.#options.onTakenOver();
  }

  /** Renews what is held when it is time, and takes over what has lapsed while there is room. */
  async keep(): Promise<void> {
    const { keys, commands, instance, group, leaseMs, room } = this.#options;
    if (this.#keeping || !commands.ready) return;
    this.#keeping = true;
    try {
      const renew = performance.now() - this.#renewedAt >= leaseMs / 3 - 50;
      if (renew) this.#renewedAt = performance.now();
      for (let partition = 0; partition < keys.partitions; partition++) {
        const held = renew ? this.#heldIn(partition) : [];
        for (let from = 0; from === 0 || from < held.length; from += RENEWED) {
          const wanted = Math.max(0, Math.min(TAKEN_OVER, room() - this.takenOver.length));
          const [lost, taken, cursor] = await runScript<[string[], Reply[], string]>(commands, LEASE, {
            keys: [keys.work(partition)],
            args: [
              group,
              instance,
              String(leaseMs),
              String(wanted),
              this.#cursors[partition] ?? "0-0",
              ...held.slice(from, from + RENEWED),
            ],
          });
          this.#cursors[partition] = cursor;
          for (const entryId of lost) this.#lose(`${partition} ${entryId}`);
          this.takenOver.push(...await this.claim(partition, parseEntries(taken), { counted: true }));
        }
      }
    } finally {
      this.#keeping = false;
    }
    if (this.takenOver.length > 0) this.#options.onTakenOver();
  }

  /** The same claim under a higher epoch; `undefined` when its execution is over. */
  async #raise(before: Claim, { counted }: { counted: boolean }): Promise<Claim | undefined> {
    const { keys, commands, group, maxDeliveries, onDead } = this.#options;
    const { input: _input, ...rest } = before;
    const [epoch, sequence, paused, deliveries] = await runScript<string[]>(commands, CLAIM, {
      keys: [keys.meta(rest.executionId), keys.work(keys.partitionOf(rest.executionId))],
      args: [group, rest.entryId, counted ? "1" : "0"],
    });
    if (epoch === undefined) return undefined;
    const claim = { ...rest, epoch: Number(epoch), sequence: Number(sequence), paused: paused === "1" };
    if (Number(deliveries) < maxDeliveries) return this.hold(claim);
    await onDead(claim, Number(deliveries));
    return undefined;
  }

  #lose(key: string): void {
    const claim = this.#held.get(key);
    if (claim === undefined) return;
    this.#held.delete(key);
    this.#options.onLost(claim.executionId);
  }

  #heldIn(partition: number): string[] {
    const prefix = `${partition} `;
    const ids: string[] = [];
    for (const key of this.#held.keys()) if (key.startsWith(prefix)) ids.push(key.slice(prefix.length));
    return ids;
  }

  #key(claim: Claim): string {
    return `${this.#options.keys.partitionOf(claim.executionId)} ${claim.entryId}`;
  }
}
