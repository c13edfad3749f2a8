/**
 * The log on Redis, as callers and readers use it.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import { isFull } from "./connection/refusal.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { uuidv7 } from "../../lib/uuidv7.ts";
import type { Acceptance, ExecutionRequest } from "../../execution/request.ts";
import type { ExecutionLog, ExecutionMeta, PauseOutcome, ReadOptions, WaitOptions } from "../../execution/log.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { Waiters } from "../../execution/waiters.ts";
import type { StoredEvent } from "../../execution/event.ts";
import { concurrencyExceeded, idempotencyKeyReused, queueFull, storageFull } from "../../execution/refusals.ts";
import { Appender } from "./appender.ts";
import { decodeMeta, decodeResult, META_FIELDS, resolveResult } from "./codec.ts";
import { claimKey, type KeyedRequest, keyPartition, releaseKey } from "./key_claims.ts";
import type { LogReader } from "./log_reader.ts";
import { QueueRoom } from "./queue_room.ts";
import { requestWords } from "./request_words.ts";
import { resend } from "./resend.ts";
import { pause } from "./scripts/pause.ts";
import { requestExecution } from "./scripts/request.ts";
import { followLog } from "./tails.ts";

/** How many ids that were made and never requested are remembered. */
const MADE = 10_000;

/** What the log is made of. */
export interface RedisLogOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly clock: Clock;
  readonly memory: MemoryWatch;
  readonly waiters: Waiters;
  readonly group: string;
  readonly logLimitBytes: number;
  readonly reader: LogReader;
  /** Reads the logs that are followed. */
  readonly subscriptions: Subscriptions;
  /** How many executions may wait or run in one partition. */
  readonly queueLimit: number;
  /** Tells every worker what happened to an execution from outside. */
  readonly announce: (what: "cancelled" | "paused" | "resumed", executionId: string) => Promise<void>;
}

/** {@linkcode ExecutionLog} on Redis Streams. */
export class RedisLog implements ExecutionLog {
  readonly #options: RedisLogOptions;
  readonly #appender: Appender;
  readonly #room: QueueRoom;
  /** Ids that were made here and that no request has been sent under. */
  readonly #made = new Set<string>();

  constructor(options: RedisLogOptions) {
    this.#options = options;
    this.#room = new QueueRoom(options);
    this.#appender = new Appender(options);
  }

  makeId(options: { workflowId: string; limited: boolean; idempotencyKey?: string }): string {
    const { keys } = this.#options;
    const { workflowId, limited, idempotencyKey } = options;
    if (keys.partitions === 1 || (!limited && idempotencyKey === undefined)) return this.#remember(this.#newId());
    const partition = limited ? keys.partitionOf(workflowId) : keyPartition(keys, workflowId, idempotencyKey!);
    for (;;) {
      const id = this.#newId();
      if (keys.partitionOf(id) === partition) return this.#remember(id);
    }
  }

  #newId(): string {
    return uuidv7(this.#options.clock.now());
  }

  /** An id that nobody else has: its first request need not look whether there was one. */
  #remember(id: string): string {
    if (this.#made.size >= MADE) this.#made.clear();
    this.#made.add(id);
    return id;
  }

  async request(request: ExecutionRequest): Promise<Acceptance> {
    const { keys } = this.#options;
    const { executionId, workflowId, idempotency } = request;
    if (idempotency === undefined || keys.partitions === 1) return await this.#start(request);
    const home = keyPartition(keys, workflowId, idempotency.key);
    const isAtHome = (id: string) => keys.partitionOf(id) === home;
    if (isAtHome(executionId)) {
      const accepted = await this.#start(request);
      if (isAtHome(accepted.executionId)) return accepted;
    }
    return await this.#startElsewhere({ ...request, idempotency }, isAtHome);
  }

  /** Requests an execution that does not lie where its key does; see `key_claims.ts`. */
  async #startElsewhere(request: KeyedRequest, isAtHome: (id: string) => boolean): Promise<Acceptance> {
    const { commands } = this.#options;
    const claimed = await resend(commands, () => claimKey(this.#options, request).catch(refuseWhenFull));
    const isOwn = claimed.executionId === request.executionId;
    // What lies with its key was requested in the step that recorded the key.
    if (!isOwn && isAtHome(claimed.executionId)) return { executionId: claimed.executionId, isNew: false };
    try {
      const { executionId, isNew } = await this.#start(claimed);
      return { executionId, isNew: isNew && isOwn };
    } catch (error) {
      if (isOwn && !(error instanceof UnavailableError)) await releaseKey(this.#options, request).catch(() => {});
      throw error;
    }
  }

  async #start(request: ExecutionRequest): Promise<Acceptance> {
    const { keys, commands, clock, memory, waiters } = this.#options;
    const { executionId, idempotency } = request;
    const { words, bytes } = requestWords(request, { keys });
    const hasRoom = memory.hasRoomFor(bytes);
    if (!hasRoom && idempotency === undefined) throw storageFull();
    memory.count(bytes);
    const partition = keys.partitionOf(executionId);
    // Whoever comes with the same key may have requested the same id.
    let again = !this.#made.delete(executionId) || idempotency !== undefined;
    const send = () => {
      // Whether the key has been used is still to be said: with a limit of 0 the script starts nothing.
      const queueLimit = hasRoom ? this.#room.limitOf(partition, { counts: words.admission !== undefined }) : 0;
      const sending = { time: clock.now(), again, queueLimit };
      again = true;
      return requestExecution(commands, words, sending).catch(refuseWhenFull);
    };
    const { what, length, executionIds } = await resend(commands, send);
    if (hasRoom && length !== undefined) this.#room.counted(partition, length);
    if (what === "existing") return { executionId: executionIds[0]!, isNew: false };
    if (what === "full" && !hasRoom) throw storageFull();
    if (what !== "ok") throw refusal(what, request);
    waiters.appended(executionId);
    for (const id of executionIds) await this.cancel(id, { reason: "A newer execution took its place" });
    return { executionId, isNew: true };
  }

  async meta(executionId: string): Promise<ExecutionMeta | undefined> {
    const { keys, commands } = this.#options;
    const reply = await commands.send(["HMGET", keys.meta(executionId), ...META_FIELDS]);
    return decodeMeta(executionId, reply as (string | null)[]);
  }

  pages(executionId: string, options: ReadOptions = {}): AsyncIterable<StoredEvent[]> {
    return this.#options.reader.pages(executionId, options);
  }

  async read(executionId: string, options: ReadOptions = {}): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const page of this.pages(executionId, options)) events.push(...page);
    return events;
  }

  tail(executionId: string, options: WaitOptions & Omit<ReadOptions, "limit">): AsyncIterable<StoredEvent> {
    const { keys, commands, subscriptions, reader } = this.#options;
    const stream = keys.log(executionId);
    return followLog({
      signal: options.signal,
      stream,
      after: options.after,
      subscriptions,
      executionId,
      reader,
      values: options.values ?? true,
      onLoss: options.onLoss,
      exists: async () => await commands.send(["EXISTS", stream]) === 1,
    });
  }

  async result(executionId: string): Promise<ExecutionResult | undefined> {
    const { keys, commands, reader } = this.#options;
    const stored = await commands.sendForBytes(["GET", keys.result(executionId)]);
    return stored === null ? undefined : await decodeResult(stored, (id, names) => reader.values(id, names));
  }

  /** What the caller of a `responseNode` webhook was answered while the execution still runs. */
  async earlyReply(executionId: string): Promise<ExecutionResult | undefined> {
    const { keys, commands } = this.#options;
    const stored = await commands.send<string | null>(["HGET", keys.meta(executionId), "reply"]);
    return stored === null ? undefined : await this.resolve(stored);
  }

  /** Reads a reply, with what it refers to; `undefined` when that has expired. */
  resolve(reply: string): Promise<ExecutionResult | undefined> {
    return resolveResult(JSON.parse(reply), (id, names) => this.#options.reader.values(id, names));
  }

  async cancel(executionId: string, options: { reason?: string } = {}): Promise<boolean> {
    const { keys, commands } = this.#options;
    const [replyTo, epoch] = await commands.send<(string | null)[]>(
      ["HMGET", keys.meta(executionId), "replyTo", "epoch"],
    );
    if (typeof epoch !== "string") return false;
    const result: ExecutionResult = { executionId, status: "cancelled" };
    const answer = await this.#appender.end(
      { executionId, replyTo: replyTo || undefined },
      { type: "execution.cancelled", time: this.#options.clock.now(), data: { ...options } },
      { reply: replyTo ? "result" : "", outcome: "cancelled", payload: JSON.stringify(result) },
    );
    if (answer !== "ok") return false;
    await this.#options.announce("cancelled", executionId);
    return true;
  }

  pause(executionId: string): Promise<PauseOutcome> {
    return this.#pause(executionId, "paused");
  }

  resume(executionId: string): Promise<PauseOutcome> {
    return this.#pause(executionId, "resumed");
  }

  async #pause(executionId: string, what: "paused" | "resumed"): Promise<PauseOutcome> {
    const { keys, commands, group, announce } = this.#options;
    const partition = keys.partitionOf(executionId);
    const outcome = await pause(commands, {
      keys: {
        meta: keys.meta(executionId),
        log: keys.log(executionId),
        feed: keys.feed(partition),
        work: keys.work(partition),
        timers: keys.timers(partition),
      },
      executionId,
      what,
      group,
      base: keys.base(partition),
    });
    // Told also when nothing changed: whoever asked first may not have come to telling it.
    if (outcome === "done" || outcome === "unchanged") await announce(what, executionId);
    return outcome;
  }
}

function refuseWhenFull(error: unknown): never {
  throw isFull(error) ? storageFull(error) : error;
}

function refusal(what: string, { workflowId, concurrency }: ExecutionRequest): Error {
  if (what === "reused") return idempotencyKeyReused();
  if (what === "rejected") return concurrencyExceeded(workflowId, concurrency!.limit);
  return queueFull();
}
