/**
 * The leases of one worker: renews its own, and takes over those that have lapsed.
 *
 * Invariants:
 * 1. A lease is renewed only while the entry is still this consumer's, in the script that looks (XCLAIM steals), and
 *    only for what was handed out or is in hand to be handed out next.
 * 2. A claim that had another holder before, or may have had one, gets a higher epoch before it is handed out.
 * 3. No more is taken over than there is room for, and lapsed work goes before new work: it is older.
 * 4. What became this consumer's in a call whose answer never came is neither held nor renewed: `onUnsure` has it read
 *    again among what is pending.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { parseEntries } from "./streams/stream_replies.ts";
import type { Claim } from "../../execution/claim.ts";
import { FleetingMap } from "../../lib/fleeting_map.ts";
import { claim } from "./scripts/claim.ts";
import { renew } from "./scripts/renew.ts";
import type { ClaimRow } from "./scripts/script_library.ts";
import { takeOver } from "./scripts/take_over.ts";
import type { LocalLeases } from "./local_leases.ts";
import { decodeClaim } from "./codec.ts";

/** How often it looks for lapsed leases (ms), and by what part sooner: of workers in step, one would get all. */
const [LOOK_EVERY_MS, LOOK_SPREAD] = [1000, 0.5];
/** Pause before a scan for lapsed leases that did not reach the end goes on, in milliseconds. */
const LOOK_ON_MS = 100;
/** How many leases of each kind one script renews, and how many entries it claims. */
const RENEWED = 2000;
const CLAIMED = 100;

/** What leases are made of. */
export interface LeasesOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The consumer's name. */
  readonly instance: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** Lifetime of a lease that is not renewed, in milliseconds. */
  readonly leaseMs: number;
  /** What this worker has without a work entry: renewed with the rest. */
  readonly locals: LocalLeases;
  /** How many claims may end without a word before an execution is a dead letter. */
  readonly maxDeliveries: number;
  /** Hears of executions that are no longer this worker's. */
  readonly onLost: (executionId: string) => void;
  /** Ends an execution that has ended too many workers. */
  readonly onDead: (claim: Claim) => Promise<void>;
  /** Hears that entries may have become this consumer's without its knowing. */
  readonly onUnsure: () => void;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** The claims that this worker has. */
export class Leases {
  /** Claimed for this worker, not yet handed out. */
  readonly inHand: Claim[] = [];
  readonly #options: LeasesOptions;
  /** By `<partition> <entry id>`. */
  readonly #held = new FleetingMap<string, Claim>();
  readonly #lookEveryMs: number;
  /** Where the search for lapsed leases goes on, a partition each, and in which partition. */
  readonly #cursors: string[] = [];
  #nextPartition = 0;
  #looksAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** By the monotonic clock: a system clock that is set back must not keep a lease from being renewed. */
  #renewedAt = performance.now();
  #renewing = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#lookEveryMs = Math.max(100, Math.min(LOOK_EVERY_MS, options.leaseMs / 3));
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      if (this.#sinceRenewalMs() >= this.#options.leaseMs / 3 - 50) this.renew().catch(this.#options.onError);
    }, this.#lookEveryMs);
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
    if (claim.way === "local") return this.#options.locals.drop(claim);
    const key = this.#key(claim);
    if (this.#held.get(key) === claim) this.#held.delete(key);
  }

  has(partition: number, entryId: string): boolean {
    return this.#held.has(`${partition} ${entryId}`);
  }

  /** How long until {@linkcode takeOver} looks again, in milliseconds. */
  get untilLookMs(): number {
    return Math.ceil(Math.max(LOOK_ON_MS, this.#looksAt - performance.now()));
  }

  /** Renews the lease of everything held. */
  async renew(): Promise<void> {
    const { keys, commands, instance, group, leaseMs, locals, onLost } = this.#options;
    if (this.#renewing || !commands.ready) return;
    this.#renewing = true;
    this.#renewedAt = performance.now();
    try {
      for (let partition = 0; partition < keys.partitions; partition++) {
        const held = this.#heldIn(partition);
        const claims = locals.in(partition);
        for (let from = 0; from < Math.max(held.length, claims.length); from += RENEWED) {
          const lost = await renew(commands, {
            keys: { work: keys.work(partition), timers: keys.timers(partition) },
            group,
            consumer: instance,
            leaseMs,
            base: keys.base(partition),
            entryIds: held.slice(from, from + RENEWED),
            locals: claims.slice(from, from + RENEWED),
          });
          for (const entryId of lost.entryIds) this.#lose(`${partition} ${entryId}`);
          for (const executionId of lost.executionIds) if (locals.lose(executionId)) onLost(executionId);
        }
      }
    } finally {
      this.#renewing = false;
    }
  }

  /** Takes at most `count` lapsed executions into hand, when it is time to look for them. */
  async takeOver(count: number): Promise<void> {
    const { keys: { partitions }, leaseMs } = this.#options;
    if (count <= 0 || performance.now() < this.#looksAt) return;
    // After a time in which this process stood still, its own leases may have lapsed.
    if (this.#sinceRenewalMs() > leaseMs / 2) await this.renew();
    this.#looksAt = performance.now() + this.#lookEveryMs * (1 - LOOK_SPREAD * Math.random());
    let left = count;
    for (let looked = 0; looked < partitions && left > 0;) {
      const asked = Math.min(partitions - looked, left);
      const each = Math.floor(left / asked);
      const looks = Array.from({ length: asked }, () => this.#look(this.#nextPartition++ % partitions, each));
      for (const taken of await this.#all(looks)) left -= taken;
      looked += asked;
    }
    if (left === 0) this.#looksAt = 0;
  }

  /** Takes into hand, of entries that are this consumer's, those that it does not hold; see {@linkcode claim}. */
  async claim(partition: number, entryIds: readonly string[], { counted }: { counted: boolean }): Promise<void> {
    const { keys, commands, instance, group } = this.#options;
    const fresh = entryIds.filter((id) => !this.has(partition, id));
    const claims: Promise<void>[] = [];
    for (let from = 0; from < fresh.length; from += CLAIMED) {
      const claimed = claim(commands, {
        keys: { work: keys.work(partition) },
        group,
        consumer: instance,
        base: keys.base(partition),
        counted,
        entryIds: fresh.slice(from, from + CLAIMED),
      });
      claims.push(claimed.then((rows) => this.#accept(rows)));
    }
    await this.#all(claims);
  }

  /** Claims again what another claim turned out to have written to, unless that one has it. */
  async reclaim({ executionId, entryId }: Claim): Promise<void> {
    await this.claim(this.#options.keys.partitionOf(executionId), [entryId], { counted: false });
  }

  async #look(partition: number, count: number): Promise<number> {
    const { keys, commands, instance, group, leaseMs } = this.#options;
    const { rows, taken, cursor } = await takeOver(commands, {
      keys: { work: keys.work(partition) },
      group,
      consumer: instance,
      leaseMs,
      count,
      cursor: this.#cursors[partition] ?? "0-0",
      base: keys.base(partition),
    });
    this.#cursors[partition] = cursor;
    // There may be more of them: what has lapsed goes first when there is room again.
    if (taken === count) this.#looksAt = 0;
    else if (cursor !== "0-0") this.#looksAt = Math.min(this.#looksAt, performance.now() + LOOK_ON_MS);
    await this.#accept(rows);
    return taken;
  }

  /** Takes what a script claimed into hand, and ends what has ended too many workers. */
  async #accept(rows: readonly ClaimRow[]): Promise<void> {
    const { maxDeliveries, onDead } = this.#options;
    const dead: Promise<void>[] = [];
    for (const [entry, epoch, sequence, paused, deliveries] of rows) {
      const { input: _input, ...before } = decodeClaim(parseEntries([entry])[0]!);
      const claim: Claim = {
        ...before,
        epoch: Number(epoch),
        sequence: Number(sequence),
        paused: paused === "1",
        deliveries: Number(deliveries),
      };
      if (claim.deliveries >= maxDeliveries) dead.push(onDead(claim));
      else this.inHand.push(this.hold(claim));
    }
    await Promise.all(dead);
  }

  /** Waits for all; what failed may have been done all the same. */
  async #all<T>(calls: readonly Promise<T>[]): Promise<T[]> {
    const failed = (await Promise.allSettled(calls)).find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return await Promise.all(calls);
    this.#options.onUnsure();
    throw failed.reason;
  }

  #lose(key: string): void {
    const claim = this.#held.get(key);
    if (claim === undefined) return;
    this.#held.delete(key);
    const at = this.inHand.indexOf(claim);
    if (at >= 0) this.inHand.splice(at, 1);
    else this.#options.onLost(claim.executionId);
  }

  #sinceRenewalMs(): number {
    return performance.now() - this.#renewedAt;
  }

  #heldIn(partition: number): string[] {
    const prefix = `${partition} `;
    return [...this.#held.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  #key(claim: Claim): string {
    return `${this.#options.keys.partitionOf(claim.executionId)} ${claim.entryId}`;
  }
}
