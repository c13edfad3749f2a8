/**
 * The log on Redis, as callers and readers use it.
 */
import type { RedisConnection } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import { runScript } from "../../redis/script.ts";
import { parseEntries } from "../../redis/stream_reader.ts";
import type { Subscriptions } from "../../redis/subscriptions.ts";
import type { ExecutionLog, ExecutionMeta, ExecutionRequest, ExecutionResult, WaitOptions } from "../port.ts";
import type { StoredEvent } from "../event.ts";
import { decodeEvent, decodeMeta, decodeResult, encodeEvents, LARGE, META_FIELDS } from "./codec.ts";
import type { Inbox } from "./inbox.ts";
import { resend } from "./resend.ts";
import { APPEND, REQUEST } from "./scripts.ts";
import { followLog } from "./tails.ts";

/** What the log is made of. */
export interface RedisLogOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly inbox: Inbox;
  readonly instance: string;
  readonly group: string;
  /** Reads the logs that are followed. */
  readonly subscriptions: Subscriptions;
  /** Tells every worker that an execution was ended from outside. */
  readonly announceCancel: (executionId: string) => Promise<void>;
}

/** {@linkcode ExecutionLog} on Redis Streams. */
export class RedisLog implements ExecutionLog {
  readonly instance: string;
  readonly #options: RedisLogOptions;

  constructor(options: RedisLogOptions) {
    this.#options = options;
    this.instance = options.instance;
  }

  async request(request: ExecutionRequest): Promise<void> {
    const { keys, commands } = this.#options;
    const { executionId, workflowId, version, trigger, input, replyTo = "", replyEarly = false } = request;
    const partition = keys.partitionOf(executionId);
    const inputJson = JSON.stringify(input);
    const data = `{"workflowId":${JSON.stringify(workflowId)},"version":${version},"trigger":${
      JSON.stringify(trigger)
    },"input":${inputJson}}`;
    await resend(() =>
      runScript(commands, REQUEST, {
        keys: [keys.meta(executionId), keys.log(executionId), keys.work(partition), keys.feed(partition)],
        args: [
          executionId,
          workflowId,
          String(version),
          trigger,
          data,
          replyTo,
          replyEarly ? "1" : "",
          inputJson.length <= LARGE ? inputJson : "",
          String(request.resultTtlSeconds),
          String(request.historyTtlSeconds),
        ],
      })
    );
  }

  awaitReply(executionId: string, options: WaitOptions & { timeoutMs?: number }): Promise<ExecutionResult> {
    return this.#options.inbox.waiters.wait(executionId, options);
  }

  abandonReply(executionId: string): void {
    this.#options.inbox.waiters.abandon(executionId);
  }

  async meta(executionId: string): Promise<ExecutionMeta | undefined> {
    const { keys, commands } = this.#options;
    const reply = await commands.send(["HMGET", keys.meta(executionId), ...META_FIELDS]);
    return decodeMeta(executionId, reply as (string | null)[]);
  }

  async read(executionId: string, options: { after?: string; limit?: number } = {}): Promise<StoredEvent[]> {
    const { keys, commands } = this.#options;
    const { after, limit } = options;
    const count = limit === undefined ? [] : ["COUNT", String(limit)];
    const start = after === undefined ? "-" : `(${after}`;
    return parseEntries(await commands.send(["XRANGE", keys.log(executionId), start, "+", ...count])).map(decodeEvent);
  }

  tail(executionId: string, options: WaitOptions & { after?: string }): AsyncIterable<StoredEvent> {
    const { keys, commands, subscriptions } = this.#options;
    const stream = keys.log(executionId);
    return followLog({
      signal: options.signal,
      stream,
      after: options.after,
      subscriptions,
      read: (after) => this.read(executionId, after === undefined ? {} : { after }),
      exists: async () => await commands.send(["EXISTS", stream]) === 1,
    });
  }

  async result(executionId: string): Promise<ExecutionResult | undefined> {
    const { keys, commands } = this.#options;
    const stored = await commands.sendForBytes(["GET", keys.result(executionId)]);
    return stored === null ? undefined : await decodeResult(stored);
  }

  async cancel(executionId: string, options: { reason?: string } = {}): Promise<boolean> {
    const { keys, commands, group } = this.#options;
    const partition = keys.partitionOf(executionId);
    const stored = await commands.send<(string | null)[]>(
      ["HMGET", keys.meta(executionId), "replyTo", "resultTtl", "historyTtl"],
    );
    const [replyTo, resultTtl, historyTtl] = stored;
    if (typeof resultTtl !== "string" || typeof historyTtl !== "string") return false;
    const inbox = replyTo ? keys.inbox(partition, replyTo) : "";
    const result: ExecutionResult = { executionId, status: "cancelled" };
    const answer = await runScript<string>(commands, APPEND, {
      keys: [
        keys.meta(executionId),
        keys.log(executionId),
        keys.feed(partition),
        keys.work(partition),
        keys.result(executionId),
        inbox || keys.work(partition),
      ],
      args: [
        executionId,
        "cancel",
        "0",
        "execution.cancelled",
        inbox === "" ? "" : "result",
        "cancelled",
        JSON.stringify(result),
        resultTtl,
        historyTtl,
        group,
        ...encodeEvents([{ type: "execution.cancelled", time: Date.now(), data: { ...options } }]),
      ],
    });
    if (answer !== "ok") return false;
    await this.#options.announceCancel(executionId);
    return true;
  }
}
