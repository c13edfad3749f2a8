/**
 * Takes executions for a worker: first what it owns already, then lapsed leases, then new work, up to its capacity.
 *
 * Invariants:
 * 1. No more is taken than there is room for, over all partitions together.
 * 2. What this consumer was handed and does not hold is claimed again, under a higher epoch, before anything new.
 * 3. What is held is handed out: when something else of a take fails, it is in hand for the next one.
 */
import type { RedisConnection, Reply } from "./connection/connection.ts";
import type { GroupReader } from "./streams/group_reader.ts";
import { parseStreams } from "./streams/stream_replies.ts";
import type { Claim } from "../../execution/claim.ts";
import type { WaitOptions } from "../../execution/log.ts";
import { decodeClaim } from "./codec.ts";
import type { Leases } from "./leases.ts";

/** How many pending entries are listed at once. */
const PAGE = 500;

/** What a taker is made of. */
export interface TakerOptions {
  /** Keeps the leases of what is claimed. */
  readonly leases: Leases;
  /** Reads the work streams as a consumer. */
  readonly reader: GroupReader;
  /** One a partition, in their order. */
  readonly streams: readonly string[];
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The consumer's name. */
  readonly instance: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** Puts back what there is no room for. */
  readonly requeue: (claim: Claim) => Promise<void>;
  /** How many claims without progress an execution may have before it becomes a dead letter. */
  readonly maxDeliveries: number;
  /** Ends an execution that has ended too many workers. */
  readonly onDead: (claim: Claim) => Promise<void>;
}

/** Takes for one worker, one take at a time. */
export class Taker {
  readonly #options: TakerOptions;
  /** Pending entries may be those of an earlier process with the same name. */
  #isHeir = true;

  constructor(options: TakerOptions) {
    this.#options = options;
  }

  /** See `WorkQueue.take`. */
  async take(options: WaitOptions & { count: number; suspects?: number; blockMs: number }): Promise<Claim[]> {
    const { leases, reader } = this.#options;
    const { count, suspects = count, blockMs } = options;
    const { inHand } = leases;
    if (inHand.length > 0) return inHand.splice(0, count);
    return await reader.session(options, async () => {
      // What a process of this name left behind are suspects.
      await reader.readAgain(() => this.#claimPending(this.#isHeir ? Math.min(suspects, count) : count));
      await leases.takeOver(Math.min(suspects, count - inHand.length));
      if (inHand.length > 0) return inHand.splice(0, count);
      // A turn later, so that replies to what was handed out last are written before the blocking read.
      await new Promise((resolve) => setImmediate(resolve));
      return await this.#takeNew(count, Math.min(blockMs, leases.untilLookMs));
    });
  }

  /** Takes into hand what this consumer was handed and does not hold, as far as there is room. */
  async #claimPending(count: number): Promise<void> {
    const { leases, reader, streams, commands, group, instance } = this.#options;
    let room = count;
    for (const [partition, stream] of streams.entries()) {
      for (let start = "-";;) {
        const words = ["XPENDING", stream, group, start, "+", String(PAGE), instance];
        const ids = (await commands.send<[string][]>(words)).map(([id]) => id);
        const ours = ids.filter((id) => !leases.has(partition, id));
        if (ours.length > room) reader.again();
        await leases.claim(partition, ours.slice(0, room), { counted: this.#isHeir });
        room -= Math.min(room, ours.length);
        if (ids.length < PAGE) break;
        if (room === 0) return reader.again();
        start = `(${ids.at(-1)!}`;
      }
    }
    if (room > 0) this.#isHeir = false;
  }

  async #takeNew(count: number, blockMs: number): Promise<Claim[]> {
    const { leases, reader, requeue, maxDeliveries, onDead } = this.#options;
    const taken = this.#decode(await reader.readNew({ count, blockMs }));
    // It may have lost its last instance while it ran without a work entry.
    const dead = taken.filter(({ deliveries }) => deliveries >= maxDeliveries);
    const claims = taken.filter((claim) => !dead.includes(claim)).map((claim) => leases.hold(claim));
    // What there is no room for is not kept from others.
    for (const claim of claims.splice(count)) await requeue(claim).catch(() => reader.again());
    leases.inHand.push(...claims);
    try {
      for (const claim of dead) await onDead(claim);
    } catch (error) {
      reader.again();
      throw error;
    }
    return leases.inHand.splice(0, count);
  }

  /** What is not held yet. */
  #decode(reply: Reply): Claim[] {
    const { leases, streams } = this.#options;
    const claims: Claim[] = [];
    for (const [name, entries] of parseStreams(reply)) {
      const partition = streams.indexOf(name);
      for (const entry of entries) if (!leases.has(partition, entry.id)) claims.push(decodeClaim(entry));
    }
    return claims;
  }
}
