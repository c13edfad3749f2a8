/**
 * The work streams: one consumer group, `workers`, in which every worker is a consumer under its instance's name.
 *
 * Invariants:
 * 1. A work entry is deleted in the step that ends or parks its execution, never before.
 * 2. What was handed to a connection that died is read again (`XREADGROUP … 0`) before anything new.
 */
import { FencedError } from "../../errors.ts";
import type { RedisConnection } from "../../redis/connection.ts";
import { forgetConsumers, isGroupGone, makeGroup } from "../../redis/consumer_group.ts";
import { BLOCK_MS, GRACE_MS } from "../../redis/deadlines.ts";
import type { Keys } from "../../redis/keys.ts";
import { runScript } from "../../redis/script.ts";
import { parseStreams } from "../../redis/stream_reader.ts";
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
  readonly #leases: Leases;
  readonly #timers: Timers;
  readonly #appender: Appender;
  readonly #listeners: ((executionId: string, signal: WorkSignal) => void)[] = [];
  #blocked: Promise<RedisConnection> | undefined;
  /** How much the blocked take has room for; nothing is taken over while no one waits for work. */
  #room = 0;
  /** What there is to read again: nothing, what a connection lost, or what a process before this one had. */
  #drain: "no" | "lost" | "inherited" = "inherited";
  /** A link that Redis still takes for alive may be handed entries until its block ends: read again then. */
  #onceMore: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#appender = new Appender(options);
    this.#leases = new Leases({
      ...options,
      room: () => this.#room,
      onLost: (executionId) => this.signal(executionId, "lost"),
      onDead: (claim, deliveries) => this.#bury(claim, deliveries),
      onTakenOver: () => this.#unblock(),
    });
    this.#timers = new Timers(options);
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]> {
    const { signal, count, blockMs } = options;
    const blocked = await this.#open();
    if (!(await blocked.back({ timeoutMs: blockMs, signal })) && !blocked.closed) return [];
    const { takenOver } = this.#leases;
    if (takenOver.length > 0) return takenOver.splice(0, count);
    this.#room = count;
    const wake = () => this.#unblock();
    signal.addEventListener("abort", wake, { once: true });
    try {
      if (signal.aborted) return [];
      if (this.#drain !== "no") {
        await this.#readAgain(blocked);
        if (takenOver.length > 0) return takenOver.splice(0, count);
      }
      // What was handed out last is answered first: the blocking read is written a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      const claims = await this.#read(blocked, { count, blockMs: Math.min(blockMs, BLOCK_MS) });
      return claims.length > 0 ? claims : takenOver.splice(0, count);
    } catch (error) {
      if (!isGroupGone(error)) throw error;
      await this.#makeGroups();
      return [];
    } finally {
      this.#room = 0;
      signal.removeEventListener("abort", wake);
    }
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

  async finish(claim: Claim, options: FinishOptions): Promise<void> {
    await this.#finish(claim, options);
  }

  release(claim: Claim, { cutOff = false }: { cutOff?: boolean } = {}): void {
    this.#leases.drop(claim);
    if (cutOff && this.#drain === "no") this.#drain = "lost";
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
    const { keys, commands, group } = this.#options;
    if (!commands.ready) return;
    for (const stream of keys.each((partition) => keys.work(partition))) {
      await forgetConsumers(commands, stream, { group });
    }
  }

  /** Closes the blocked connection; what was taken over and not handed out goes back. */
  async close(): Promise<void> {
    clearTimeout(this.#onceMore);
    this.#leases.stop();
    await this.#timers.stop();
    const left = this.#leases.takenOver.splice(0);
    await Promise.all(left.map((claim) => this.handBack(claim).catch(() => {})));
    (await this.#blocked?.catch(() => undefined))?.close();
  }

  #open(): Promise<RedisConnection> {
    this.#blocked ??= this.#makeGroups().then(async () => {
      const blocked = await this.#options.openBlocked();
      blocked.onReady(() => {
        this.#drain = "lost";
        clearTimeout(this.#onceMore);
        this.#onceMore = setTimeout(() => this.#drain = "lost", BLOCK_MS + GRACE_MS);
      });
      this.#leases.start();
      this.#timers.start();
      return blocked;
    }).catch((error) => {
      this.#blocked = undefined;
      throw error;
    });
    return this.#blocked;
  }

  async #makeGroups(): Promise<void> {
    const { keys, commands, group } = this.#options;
    for (const name of keys.each((partition) => keys.work(partition))) await makeGroup(commands, name, group);
  }

  /** Claims what this consumer was handed and does not hold. */
  async #readAgain(blocked: RedisConnection): Promise<void> {
    const { keys, instance, group } = this.#options;
    const counted = this.#drain === "inherited";
    this.#drain = "no";
    try {
      for (let partition = 0; partition < keys.partitions; partition++) {
        const stream = keys.work(partition);
        for (let after = "0";;) {
          const [[, entries] = ["", []]] = parseStreams(
            await blocked.send([
              "XREADGROUP",
              "GROUP",
              group,
              instance,
              "COUNT",
              String(DRAINED),
              "STREAMS",
              stream,
              after,
            ]),
          );
          this.#leases.takenOver.push(...await this.#leases.claim(partition, entries, { counted }));
          if (entries.length < DRAINED) break;
          after = entries.at(-1)!.id;
        }
      }
    } catch (error) {
      this.#drain = counted ? "inherited" : "lost";
      throw error;
    }
  }

  async #read(blocked: RedisConnection, { count, blockMs }: { count: number; blockMs: number }): Promise<Claim[]> {
    const { keys, instance, group } = this.#options;
    const names = keys.each((partition) => keys.work(partition));
    const reply = await blocked.send([
      ...["XREADGROUP", "GROUP", group, instance, "COUNT", String(count), "BLOCK", String(blockMs)],
      ...["STREAMS", ...names, ...names.map(() => ">")],
    ], { deadlineMs: blockMs + GRACE_MS });
    const claims: Claim[] = [];
    for (const [name, entries] of parseStreams(reply)) {
      const partition = names.indexOf(name);
      for (const entry of entries) {
        if (!this.#leases.has(partition, entry.id)) claims.push(this.#leases.hold(decodeClaim(entry)));
      }
    }
    return claims;
  }

  async #finish(claim: Claim, options: FinishOptions, deadLetter = ""): Promise<void> {
    const { stored, large } = await encodeResult(options.result);
    await this.#send(claim, options, {
      reply: claim.replyTo === undefined ? "" : large ? "stored" : "result",
      outcome: options.result.status,
      payload: stored,
      deadLetter,
    });
    this.#leases.drop(claim);
  }

  /** Ends an execution that has ended too many workers. */
  async #bury(claim: Claim, deliveries: number): Promise<void> {
    const error = { code: "dead_letter", message: `The execution ended ${deliveries} workers without progress` };
    const result: ExecutionResult = { executionId: claim.executionId, status: "failed", error };
    const events = [{ type: "execution.failed", time: Date.now(), data: { error } } as const];
    await this.#finish(claim, { sequence: claim.sequence, events, result }, JSON.stringify(error));
  }

  #unblock(): void {
    const { commands, onError } = this.#options;
    this.#blocked?.then((blocked) => commands.send(["CLIENT", "UNBLOCK", String(blocked.id)])).catch(onError);
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
