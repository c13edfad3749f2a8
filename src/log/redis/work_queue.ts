/**
 * The work streams: one consumer group, `workers`, in which every worker is a consumer under its instance's name.
 *
 * Invariants:
 * 1. A work entry is deleted in the step that ends or parks its execution, never before.
 * 2. What this consumer was handed and does not hold is claimed again, under a higher epoch, before anything new.
 */
import { FencedError } from "../../errors.ts";
import type { RedisConnection, Reply } from "../../redis/connection.ts";
import { forgetConsumers } from "../../redis/consumer_group.ts";
import { GroupReader } from "../../redis/group_reader.ts";
import type { Keys } from "../../redis/keys.ts";
import type { MemoryWatch } from "../../redis/memory_watch.ts";
import { runScript } from "../../redis/script.ts";
import { parseStreams } from "../../redis/stream_replies.ts";
import type {
  AppendOptions,
  Claim,
  ExecutionResult,
  FinishOptions,
  ParkOptions,
  WaitOptions,
  WorkQueue,
  WorkSignal,
} from "../port.ts";
import { type AppendAnswer, type AppendEnd, Appender } from "./appender.ts";
import { decodeClaim, encodeResult } from "./codec.ts";
import { Leases } from "./leases.ts";
import { resend } from "./resend.ts";
import { HAND_BACK } from "./scripts.ts";
import { Timers } from "./timers.ts";

/** What a work queue is made of. */
export interface WorkQueueOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly memory: MemoryWatch;
  /** Opens the connection that blocked reads have to themselves. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** The consumer's name. */
  readonly instance: string;
  readonly group: string;
  readonly leaseMs: number;
  readonly maxDeliveries: number;
  readonly onError: (error: unknown) => void;
}

/** How many entries are read at once of those that a dead connection was handed. */
const DRAINED = 500;

/** {@linkcode WorkQueue} on Redis Streams. */
export class RedisWorkQueue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #streams: readonly string[];
  readonly #leases: Leases;
  readonly #timers: Timers;
  readonly #appender: Appender;
  readonly #listeners: ((executionId: string, signal: WorkSignal) => void)[] = [];
  readonly #reader: GroupReader;
  /** How much the blocked take has room for; nothing is taken over while no one waits for work. */
  #room = 0;
  /** What is pending may be what a process of this name had before this one. */
  #isHeir = true;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    const { keys, instance, openBlocked } = options;
    this.#streams = keys.each((partition) => keys.work(partition));
    this.#appender = new Appender(options);
    this.#timers = new Timers(options);
    this.#leases = new Leases({
      ...options,
      room: () => this.#room,
      onLost: (executionId) => this.signal(executionId, "lost"),
      onDead: (claim, deliveries) => this.#bury(claim, deliveries),
      onTakenOver: () => this.#reader.unblock(),
    });
    this.#reader = new GroupReader({
      ...options,
      streams: this.#streams,
      consumer: instance,
      openBlocked: async () => {
        const blocked = await openBlocked();
        this.#leases.start();
        this.#timers.start();
        return blocked;
      },
    });
  }

  take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]> {
    const { count, blockMs } = options;
    const { takenOver } = this.#leases;
    return this.#reader.session(options, async () => {
      if (takenOver.length > 0) return takenOver.splice(0, count);
      this.#room = count;
      try {
        await this.#reader.readAgain(() => this.#claimPending());
        if (takenOver.length > 0) return takenOver.splice(0, count);
        // What was handed out last is answered first: the blocking read is written a turn later.
        await new Promise((resolve) => setImmediate(resolve));
        const claims = this.#hold(await this.#reader.read({ count, id: ">", blockMs }));
        return claims.length > 0 ? claims : takenOver.splice(0, count);
      } finally {
        this.#room = 0;
      }
    });
  }

  async append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }> {
    const { reply } = options;
    const early = reply === undefined || claim.replyTo === undefined ? undefined : JSON.stringify(reply);
    const answer = await this.#send(claim, options, {
      reply: early === undefined ? "" : "early",
      payload: early ?? "",
    });
    return { paused: answer === "paused" };
  }

  async park(claim: Claim, options: ParkOptions): Promise<"parked" | "resumed"> {
    const { delayMs, forPause = false } = options;
    const wait = String(Math.max(0, Math.ceil(delayMs)));
    const answer = await this.#send(claim, options, { outcome: forPause ? "pause" : "park", payload: wait });
    if (answer === "resumed") return "resumed";
    this.#leases.drop(claim);
    this.#timers.arm(delayMs + 1);
    return "parked";
  }

  async finish(claim: Claim, options: FinishOptions, deadLetter = ""): Promise<void> {
    const { stored, large } = await encodeResult(options.result);
    await this.#send(claim, options, {
      reply: claim.replyTo === undefined ? "" : large ? "stored" : "result",
      outcome: options.result.status,
      payload: stored,
      deadLetter,
    });
    this.#leases.drop(claim);
  }

  release(claim: Claim, { cutOff = false }: { cutOff?: boolean } = {}): void {
    this.#leases.drop(claim);
    if (cutOff) this.#reader.again();
  }

  async handBack(claim: Claim): Promise<void> {
    const { keys, commands, group } = this.#options;
    const { executionId, epoch } = claim;
    const partition = keys.partitionOf(executionId);
    this.#leases.drop(claim);
    await resend(commands, () =>
      runScript(commands, HAND_BACK, {
        keys: [keys.meta(executionId), keys.work(partition)],
        args: [executionId, String(epoch), group, keys.base(partition)],
      }));
  }

  onSignal(listener: (executionId: string, signal: WorkSignal) => void): void {
    this.#listeners.push(listener);
  }

  /** Tells those who listen what happened to an execution from outside. */
  signal(executionId: string, signal: WorkSignal): void {
    for (const listener of this.#listeners) listener(executionId, signal);
  }

  /** Forgets workers that are gone. Any instance may do it, now and then. */
  async sweep(): Promise<void> {
    const { commands, group } = this.#options;
    if (!commands.ready) return;
    for (const stream of this.#streams) await forgetConsumers(commands, stream, { group });
  }

  /** Closes the blocked connection; what was taken over and not handed out goes back. */
  async close(): Promise<void> {
    this.#leases.stop();
    await this.#timers.stop();
    const left = this.#leases.takenOver.splice(0);
    await Promise.all(left.map((claim) => this.handBack(claim).catch(() => {})));
    await this.#reader.close();
  }

  /** Claims what this consumer was handed and does not hold. */
  async #claimPending(): Promise<void> {
    for (const [partition, stream] of this.#streams.entries()) {
      for (let after = "0";;) {
        const reply = await this.#reader.read({ count: DRAINED, id: after, streams: [stream] });
        const [[, entries] = ["", []]] = parseStreams(reply);
        this.#leases.takenOver.push(...await this.#leases.claim(partition, entries, { counted: this.#isHeir }));
        if (entries.length < DRAINED) break;
        after = entries.at(-1)!.id;
      }
    }
    this.#isHeir = false;
  }

  #hold(reply: Reply): Claim[] {
    const claims: Claim[] = [];
    for (const [name, entries] of parseStreams(reply)) {
      const partition = this.#streams.indexOf(name);
      for (const entry of entries) {
        if (!this.#leases.has(partition, entry.id)) claims.push(this.#leases.hold(decodeClaim(entry)));
      }
    }
    return claims;
  }

  /** Ends an execution that has ended too many workers. */
  async #bury(claim: Claim, deliveries: number): Promise<void> {
    const error = { code: "dead_letter", message: `The execution ended ${deliveries} workers without progress` };
    const result: ExecutionResult = { executionId: claim.executionId, status: "failed", error };
    const events = [{ type: "execution.failed", time: Date.now(), data: { error } } as const];
    await this.finish(claim, { sequence: claim.sequence, events, result }, JSON.stringify(error));
  }

  /** Appends, and throws `FencedError` when that is refused. */
  async #send(claim: Claim, options: Omit<AppendOptions, "reply">, end: AppendEnd): Promise<AppendAnswer> {
    const answer = await this.#appender.append(claim, options, end);
    if (answer === "ok" || answer === "paused" || answer === "parked" || answer === "resumed") return answer;
    this.release(claim);
    // Another claim has written under this epoch: the group was lost, and the entry handed out twice.
    if (answer === "sequence") this.#leases.reclaim(claim).catch(this.#options.onError);
    throw new FencedError(`Epoch ${claim.epoch} of ${claim.executionId} may not append: ${answer}`);
  }
}
