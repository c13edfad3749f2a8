/**
 * Sends the script that appends, suspends or ends, for claims and for calls that end executions from outside.
 *
 * Every claim writes with its own token. Of two claims with the same epoch (their group was lost and made again) only
 * one gets past its first append, and an append of one is never taken for a resent append of the other.
 */
import { AppendRefusedError } from "../../lib/errors.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import { isFull } from "./connection/refusal.ts";
import { ExecutionKeys } from "./execution_keys.ts";
import { endingOf } from "./feed_entries.ts";
import { type ExecutionStatus, isEnded, type LogEvent } from "../../execution/event.ts";
import type { Claim } from "../../execution/claim.ts";
import { type EncodedEvents, encodeEvents, fieldsOfOnly } from "./log_entries.ts";
import { resend } from "./resend.ts";
import { append, type AppendReply, type AppendScriptOptions } from "./scripts/append.ts";
import { finish, type FinishScriptOptions } from "./scripts/finish.ts";

/**
 * Delays between tries, in milliseconds. Longer in all than callers wait: only this worker can write until its lease
 * ends.
 */
const RESEND_DELAYS_MS = [50, 100, 200, 400, 800, 1600, 2000, 2000];

/** What ends or suspends an execution is written to a Redis that is full, up to this many characters: it makes room. */
const SMALL = 64 * 1024;

/** What is sent besides the events, in the words of {@linkcode append}. */
export interface AppendEnd {
  readonly reply?: "early" | "kept" | "result" | "stored" | "";
  /** `suspend`, `pause` or a terminal status; absent when the execution goes on. */
  readonly outcome?: string;
  /** The result or the early reply; the delay when it is suspended. */
  readonly payload: string | Uint8Array;
  /** Why it is a dead letter, as JSON. */
  readonly deadLetter?: string;
}

/** What appends are sent with. */
export interface AppenderOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** Name of the consumer group. */
  readonly group: string;
  /** The largest log of an execution. */
  readonly logLimitBytes: number;
}

/** One append. */
export interface AppendParts {
  /** The execution that is written. */
  readonly executionId: string;
  /** The instance whose inbox gets the reply; absent: nobody waits. */
  readonly replyTo: string | undefined;
  /** The claim that writes: its epoch, how many events claims must have appended so far, and its token. */
  readonly fence: { readonly epoch: string; readonly sequence: string; readonly writer: string };
  /** The events as the script takes them. */
  readonly events: EncodedEvents;
  /** How the append ends or suspends the execution, if it does. */
  readonly end: AppendEnd;
}

/** Sends appends over one connection. */
export class Appender {
  readonly #options: AppenderOptions;
  readonly #writers = new WeakMap<Claim, string>();
  /** Begins the tokens of this process: an instance's name may have been another process's before. */
  readonly #process = crypto.randomUUID().slice(0, 8);
  #nextWriter = 0;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /**
   * Appends for a claim when claims have written `sequence` events so far; again while the outcome is unknown. Throws
   * `AppendRefusedError` when Redis has had no room all the while.
   */
  async append(
    claim: Claim,
    { sequence, events }: { sequence: number; events: EncodedEvents },
    end: AppendEnd,
  ): Promise<AppendReply> {
    const { commands } = this.#options;
    const { executionId, replyTo } = claim;
    const fence = { epoch: String(claim.epoch), sequence: String(sequence), writer: this.#writerOf(claim) };
    const words = this.words({ executionId, replyTo, fence, events, end });
    const whole = this.#wholeRun(claim, words);
    const send = (): Promise<AppendReply> =>
      whole === undefined
        ? append(commands, words)
        : finish(commands, whole).then((what) => what === "ok" ? what : append(commands, words));
    try {
      return await resend(commands, send, RESEND_DELAYS_MS);
    } catch (error) {
      if (!isFull(error)) throw error;
      throw new AppendRefusedError("storage_full", "The store has no room for more events", { cause: error });
    }
  }

  /** Ends an execution, whoever holds it. */
  end(
    execution: { executionId: string; replyTo: string | undefined },
    event: LogEvent,
    end: AppendEnd,
    lapsed?: { leaseMs: number },
  ): Promise<AppendReply> {
    const fence = lapsed === undefined
      ? { epoch: "cancel", sequence: "0", writer: "" }
      : { epoch: "lapsed", sequence: String(lapsed.leaseMs), writer: "" };
    return append(this.#options.commands, this.words({ ...execution, fence, events: encodeEvents([event]), end }));
  }

  /** The same append as `finish.ts` takes it: the first one of an execution, with its end and nothing unusual. */
  #wholeRun(claim: Claim, words: AppendScriptOptions): FinishScriptOptions | undefined {
    const { executionId, epoch, types, payload, writer, group, reply, inbox, outcome, count, deadLetter } = words;
    const fields = fieldsOfOnly(words.words);
    if (words.sequence !== "1" || fields === undefined || !words.makesRoom || !isEnded(outcome as ExecutionStatus)) {
      return undefined;
    }
    if (deadLetter !== "" || reply === "early" || reply === "kept") return undefined;
    // With the request, and in bytes, it is well within the log's limit.
    if (8 * SMALL > this.#options.logLimitBytes) return undefined;
    const { workflowId, version, requestedAt, entryId } = claim;
    return {
      keys: new ExecutionKeys(this.#options.keys, executionId),
      inbox,
      executionId,
      epoch,
      entryId,
      append: endingOf({ workflowId, version, types }, { status: outcome, requestedAt }),
      status: outcome,
      result: payload,
      sequence: 1 + count,
      writer,
      group,
      reply,
      fields,
    };
  }

  /** An append in the words of its script; its bytes are counted. */
  words({ executionId, replyTo, fence, events, end }: AppendParts): AppendScriptOptions {
    const { keys, group, memory, logLimitBytes } = this.#options;
    const partition = keys.partitionOf(executionId);
    const bytes = events.words.reduce((sum, { length }) => sum + length, end.payload.length);
    memory.count(bytes);
    return {
      keys: new ExecutionKeys(keys, executionId),
      inbox: replyTo === undefined ? keys.work(partition) : keys.inbox(partition, replyTo),
      executionId,
      epoch: fence.epoch,
      sequence: fence.sequence,
      types: events.types,
      reply: end.reply ?? "",
      outcome: end.outcome ?? "",
      payload: end.payload,
      base: keys.base(partition),
      group,
      writer: fence.writer,
      deadLetter: end.deadLetter ?? "",
      logLimitBytes,
      count: events.count,
      words: events.words,
      makesRoom: end.outcome !== undefined && bytes <= SMALL,
    };
  }

  #writerOf(claim: Claim): string {
    let writer = this.#writers.get(claim);
    if (writer === undefined) {
      writer = `${this.#process}.${(this.#nextWriter++).toString(36)}`;
      this.#writers.set(claim, writer);
    }
    return writer;
  }
}
