/**
 * The log on Redis, as callers and readers use it.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";
import type { Acceptance, ExecutionRequest } from "../../execution/request.ts";
import type { ExecutionLog, ExecutionMeta, PauseOutcome, ReadOptions, WaitOptions } from "../../execution/log.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { StoredEvent } from "../../execution/event.ts";
import { Appender } from "./appender.ts";
import { decodeMeta, decodeResult, META_FIELDS, resolveResult } from "./codec.ts";
import type { LogReader } from "./log_reader.ts";
import type { RedisRequests } from "./requests.ts";
import { pause } from "./scripts/pause.ts";
import { followLog } from "./tails.ts";

/** Options of {@linkcode RedisLog}. */
export interface RedisLogOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** Accepts requests. */
  readonly requests: RedisRequests;
  /** Name of the consumer group. */
  readonly group: string;
  /** The largest log of an execution, in bytes. */
  readonly logLimitBytes: number;
  /** Reads logs and the large values beside them. */
  readonly reader: LogReader;
  /** Reads the logs that are followed. */
  readonly subscriptions: Subscriptions;
  /** Tells every worker what happened to an execution from outside. */
  readonly announce: (what: "cancelled" | "paused" | "resumed", executionId: string) => Promise<void>;
}

/** {@linkcode ExecutionLog} on Redis Streams. */
export class RedisLog implements ExecutionLog {
  readonly #options: RedisLogOptions;
  readonly #appender: Appender;

  constructor(options: RedisLogOptions) {
    this.#options = options;
    this.#appender = new Appender(options);
  }

  makeId(options: { workflowId: string; limited: boolean; idempotencyKey?: string }): string {
    return this.#options.requests.makeId(options);
  }

  request(request: ExecutionRequest): Promise<Acceptance> {
    return this.#options.requests.request(request);
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
    // Also when nothing changed: the call that changed it may have failed before its announcement.
    if (outcome === "done" || outcome === "unchanged") await announce(what, executionId);
    return outcome;
  }
}
