/**
 * The work streams: one consumer group, `workers`, in which every worker is a consumer under its instance's name.
 *
 * A work entry is deleted in the step that ends or suspends its execution, never before.
 */
import type { Clock } from "../../lib/clock.ts";
import { FencedError } from "../../lib/errors.ts";
import type { RedisConnection } from "./connection/connection.ts";
import { forgetConsumers } from "./streams/consumer_group.ts";
import { GroupReader } from "./streams/group_reader.ts";
import type { Keys } from "./keys.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Claim } from "../../execution/claim.ts";
import type {
  AppendOptions,
  ControlMessage,
  FinishOptions,
  SuspendOptions,
  WorkQueue,
} from "../../execution/work_queue.ts";
import type { Waiters } from "../../execution/waiters.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { WaitOptions } from "../../execution/log.ts";
import { logLimit } from "../../execution/refusals.ts";
import { type AppendEnd, Appender } from "./appender.ts";
import type { AppendReply } from "./scripts/append.ts";
import { begin } from "./scripts/begin.ts";
import { requeue } from "./scripts/requeue.ts";
import { encodeResult, referTo } from "./codec.ts";
import { type EncodedEvents, encodeEvents } from "./log_entries.ts";
import { Leases } from "./leases.ts";
import type { LocalLeases } from "./local_leases.ts";
import { resend } from "./resend.ts";
import { Taker } from "./taker.ts";
import { Timers } from "./timers.ts";
import { WrittenValues } from "./written_values.ts";
import { endedWorkers } from "../store_rules.ts";

/** What a work queue is made of. */
export interface WorkQueueOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** Opens the connection that blocked reads have to themselves. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** The consumer's name. */
  readonly instance: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** Lifetime of a lease that is not renewed, in milliseconds. */
  readonly leaseMs: number;
  /** What this instance runs without a work entry. */
  readonly locals: LocalLeases;
  /** The callers of this instance, which executions without a work entry answer directly. */
  readonly waiters: Waiters;
  /** How many claims without progress an execution may have before it becomes a dead letter. */
  readonly maxDeliveries: number;
  /** The largest log of an execution. */
  readonly logLimitBytes: number;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** {@linkcode WorkQueue} on Redis Streams. */
export class RedisWorkQueue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #streams: readonly string[];
  readonly #leases: Leases;
  readonly #timers: Timers;
  readonly #appender: Appender;
  readonly #values = new WrittenValues();
  readonly #listeners: ((executionId: string, message: ControlMessage) => void)[] = [];
  readonly #reader: GroupReader;
  readonly #taker: Taker;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    const { keys, instance, openBlocked } = options;
    this.#streams = keys.each((partition) => keys.work(partition));
    this.#appender = new Appender(options);
    this.#timers = new Timers(options);
    this.#leases = new Leases({
      ...options,
      onLost: (executionId) => this.control(executionId, "lost"),
      onDead: (claim) => this.#bury(claim),
      onUnsure: () => this.#reader.again(),
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
    this.#taker = new Taker({
      ...options,
      leases: this.#leases,
      reader: this.#reader,
      streams: this.#streams,
      requeue: (claim) => this.requeue(claim),
      onDead: (claim) => this.#bury(claim),
    });
  }

  take(options: WaitOptions & { count: number; suspects?: number; blockMs: number }): Promise<Claim[]> {
    return this.#taker.take(options);
  }

  async begin(claim: Claim): Promise<void> {
    const { keys, commands } = this.#options;
    const { executionId, epoch } = claim;
    if (await resend(commands, () => begin(commands, { keys: { meta: keys.meta(executionId) }, epoch }))) return;
    this.release(claim);
    throw new FencedError(`Epoch ${epoch} of ${executionId} may not begin`);
  }

  async append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }> {
    const { reply, sequence } = options;
    const events = encodeEvents(options.events);
    const early = reply === undefined || claim.replyTo === undefined
      ? undefined
      : referTo(reply, this.#values.storedAs(claim, events));
    const answer = await this.#send(claim, { sequence, events }, {
      reply: early === undefined ? "" : claim.way === "local" ? "kept" : "early",
      payload: early ?? "",
    });
    if (reply !== undefined && claim.way === "local") this.#options.waiters.reply(reply);
    return { paused: answer === "paused" };
  }

  async suspend(claim: Claim, options: SuspendOptions): Promise<"suspended" | "resumed"> {
    const { delayMs, forPause = false, sequence } = options;
    const events = encodeEvents(options.events);
    const wait = String(Math.max(0, Math.ceil(delayMs)));
    const answer = await this.#send(claim, { sequence, events }, {
      outcome: forPause ? "pause" : "suspend",
      payload: wait,
    });
    if (answer === "resumed") return "resumed";
    this.#leases.drop(claim);
    this.#timers.arm(delayMs + 1);
    return "suspended";
  }

  async finish(claim: Claim, options: FinishOptions): Promise<void> {
    const { sequence, deadLetter = false } = options;
    const events = encodeEvents(options.events);
    const encoded = encodeResult(options.result, this.#values.storedAs(claim, events));
    const { stored, large } = encoded instanceof Promise ? await encoded : encoded;
    await this.#send(claim, { sequence, events }, {
      reply: claim.replyTo === undefined || claim.way === "local" ? "" : large ? "stored" : "result",
      outcome: options.result.status,
      payload: stored,
      deadLetter: deadLetter ? JSON.stringify(options.result.error) : "",
    });
    this.#leases.drop(claim);
    if (claim.way === "local") this.#options.waiters.reply(options.result);
  }

  release(claim: Claim, { cutOff = false }: { cutOff?: boolean } = {}): void {
    this.#leases.drop(claim);
    if (cutOff) this.#reader.again();
  }

  async requeue(claim: Claim): Promise<void> {
    const { keys, commands, group } = this.#options;
    const { executionId, epoch } = claim;
    const partition = keys.partitionOf(executionId);
    this.#leases.drop(claim);
    await resend(commands, () =>
      requeue(commands, {
        keys: { meta: keys.meta(executionId), work: keys.work(partition) },
        executionId,
        epoch,
        group,
        base: keys.base(partition),
      }));
  }

  onControl(listener: (executionId: string, message: ControlMessage) => void): void {
    this.#listeners.push(listener);
  }

  /** Calls the listeners with a message about an execution. */
  control(executionId: string, message: ControlMessage): void {
    for (const listener of this.#listeners) listener(executionId, message);
  }

  /** Deletes consumers of workers that no longer exist; any instance may call it. */
  async sweep(): Promise<void> {
    const { commands, group } = this.#options;
    if (!commands.ready) return;
    for (const stream of this.#streams) await forgetConsumers(commands, stream, { group });
  }

  /** Closes the blocked connection; requeues claims that were taken over and not handed out. */
  async close(): Promise<void> {
    this.#leases.stop();
    await this.#timers.stop();
    const left = this.#leases.inHand.splice(0);
    await Promise.all(left.map((claim) => this.requeue(claim).catch(() => {})));
    await this.#reader.close();
  }

  /** Ends an execution that has ended too many workers. */
  async #bury(claim: Claim): Promise<void> {
    const { deliveries } = claim;
    const error = endedWorkers(deliveries);
    const result: ExecutionResult = { executionId: claim.executionId, status: "failed", error };
    const events = [{ type: "execution.failed", time: this.#options.clock.now(), data: { error } } as const];
    await this.finish(claim, { sequence: claim.sequence, events, result, deadLetter: true }).catch((error) => {
      // It has ended, or another worker has it.
      if (!(error instanceof FencedError)) throw error;
    });
  }

  /** Appends, and throws `FencedError` when that is refused. */
  async #send(
    claim: Claim,
    append: { sequence: number; events: EncodedEvents },
    end: AppendEnd,
  ): Promise<AppendReply> {
    const answer = await this.#appender.append(claim, append, end);
    if (answer === "limit") throw logLimit(this.#options.logLimitBytes);
    this.#values.add(claim, append.events);
    if (answer === "ok" || answer === "paused" || answer === "suspended" || answer === "resumed") return answer;
    this.release(claim);
    // Another claim has written under this epoch: the group was lost, and the entry handed out twice.
    if (answer === "sequence") {
      this.#leases.reclaim(claim).then(() => this.#reader.unblock(), this.#options.onError);
    }
    throw new FencedError(`Epoch ${claim.epoch} of ${claim.executionId} may not append: ${answer}`);
  }
}
