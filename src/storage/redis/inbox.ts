/**
 * The inbox: the stream on which this instance gets the replies that its callers wait for, one a partition, all read
 * over one blocked connection.
 *
 * Invariants:
 * 1. The inbox exists, and its cursor is known, before any request names it: a fast reply cannot be missed.
 * 2. A reply is deleted from the stream after it was handed on; the stream expires with its instance.
 * 3. A reply to an inbox that does not exist (it expired while the process was stopped or Redis away, or Redis lost its
 *    data) is dropped; its result stays. So whenever an inbox may have been gone, it is made again first, and then the
 *    result of every waiter is looked up. A waiter without a result will still get its reply.
 * 4. A lookup that fails is made again. After a new link it is made {@linkcode LOOKUPS} times, a second apart.
 * 5. A caller whose execution the store has lost gets an error. Lost executions are looked for after each loss, and
 *    periodically.
 */
import { pause } from "../../lib/delay.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { keepInbox } from "./scripts/keep_inbox.ts";
import type { StreamReader } from "./streams/stream_reader.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { Waiters } from "../../execution/waiters.ts";
import { LostExecutions } from "./lost_executions.ts";

/** How long an inbox outlives its instance, and how often it is trimmed and kept alive, in milliseconds. */
const TTL_MS = 60_000;
const KEEP_MS = 1000;
/** How often the waiters are looked up after a loss. */
const LOOKUPS = 3;
/** How many results are asked for at once. */
const CHUNK = 100;
/** How often a waiter's execution is looked for without a loss, in milliseconds, and how many in one round. */
const LOOK_EVERY_MS = 5000;
const LOOKED_FOR = 500;
/** Matches every reply that refers to values, and some that only look like it. */
const REFERS = /"(output|response)Of":/;
/** How long a result is waited for that a reply referred to and that cannot be read, in milliseconds. */
const FETCH_AGAIN_MS = 250;

/** What an inbox is opened with. */
export interface InboxOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Reads the inbox, with a connection that blocks. */
  readonly reader: StreamReader;
  /** Name of this instance. */
  readonly instance: string;
  /** Those whose replies come here. */
  readonly waiters: Waiters;
  /** Reads the stored result of an execution; `undefined` while it has none. */
  readonly result: (executionId: string) => Promise<ExecutionResult | undefined>;
  /** Reads a reply, with what it refers to; `undefined` when that has expired. */
  readonly resolve: (reply: string) => Promise<ExecutionResult | undefined>;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** The replies of one instance. */
export class Inbox {
  readonly #waiters: Waiters;
  readonly #options: InboxOptions;
  readonly #lost: LostExecutions;
  /** The last entry read of each inbox. */
  readonly #cursors = new Map<string, string>();
  #keeper: ReturnType<typeof setInterval> | undefined;
  /** The round of {@linkcode keep} that is under way. */
  #round: Promise<void> | undefined;
  /** An inbox may have been gone: the waiters at the time when the inboxes exist again are suspects. */
  #wasLost = false;
  /** Waiters whose reply may have been missed, and how often they are looked up yet. */
  readonly #suspects = new Set<string>();
  #lookupsLeft = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#waiters = options.waiters;
    this.#lost = new LostExecutions(options);
  }

  /** Makes the inboxes and starts to read them. */
  async open(): Promise<void> {
    const { keys, instance, reader } = this.#options;
    await Promise.all(
      keys.each((partition) => keys.inbox(partition, instance)).map(async (name) => {
        const made = await this.#keepOne(name, "0-0");
        const cursor = made || "0-0";
        this.#cursors.set(name, cursor);
        reader.follow(name, cursor, (entries) => this.#take(name, entries), () => this.#lose(name));
      }),
    );
    this.#keeper = setInterval(() => this.#keep().catch(this.#options.onError), KEEP_MS);
  }

  /** Stops reading and removes the inboxes. */
  async close(): Promise<void> {
    clearInterval(this.#keeper);
    const names = [...this.#cursors.keys()];
    this.#cursors.clear();
    for (const name of names) this.#options.reader.unfollow(name);
    await this.#round?.catch(() => {});
    await Promise.all(names.map((name) => this.#options.commands.send(["DEL", name]).catch(() => {})));
  }

  /** After a loss of Redis: makes lost inboxes again and looks up the results that their callers may have missed. */
  async recover(): Promise<void> {
    this.#wasLost = true;
    // The round that is under way may have begun before the loss.
    await this.#round?.catch(() => {});
    await this.#keep();
  }

  /** Answers every waiter whose result exists. */
  async checkResults(ids: readonly string[] = this.#waiters.ids()): Promise<void> {
    for (let i = 0; i < ids.length; i += CHUNK) {
      await Promise.all(
        ids.slice(i, i + CHUNK).map(async (id) => {
          if (!this.#waiters.has(id)) return;
          const result = await this.#options.result(id);
          if (result !== undefined) this.#waiters.reply(result);
        }),
      );
    }
  }

  /** Keeps the inboxes alive, and looks up suspects. One round at a time. */
  #keep(): Promise<void> {
    return this.#round ??= this.#keepAll().finally(() => this.#round = undefined);
  }

  async #keepAll(): Promise<void> {
    const { commands, reader } = this.#options;
    if (!commands.ready) return;
    await Promise.all([...this.#cursors].map(async ([name, cursor]) => {
      if (await this.#keepOne(name, cursor) === "" || !this.#cursors.has(name)) return;
      this.#wasLost = true;
      // From its beginning: it is new, and what it was given meanwhile is for us.
      this.#cursors.set(name, "0-0");
      reader.seek(name, "0-0");
    }));
    if (this.#wasLost) {
      this.#wasLost = false;
      this.#lookupsLeft = LOOKUPS;
      for (const id of this.#waiters.ids()) this.#suspects.add(id);
    }
    for (const id of this.#suspects) if (!this.#waiters.has(id)) this.#suspects.delete(id);
    const due = this.#waiters.due({ everyMs: LOOK_EVERY_MS, most: LOOKED_FOR });
    if (this.#lookupsLeft > 0) await this.checkResults([...this.#suspects]);
    const appended = [...this.#suspects].filter((id) => this.#waiters.isAppended(id));
    await this.#lost.tell([...appended, ...due]);
    if (this.#lookupsLeft > 0 && --this.#lookupsLeft === 0) this.#suspects.clear();
  }

  async #keepOne(name: string, cursor: string): Promise<string> {
    const { commands, instance } = this.#options;
    return await keepInbox(commands, { keys: { inbox: name }, ttlMs: TTL_MS, instance, cursor });
  }

  /** Called when the stream is gone or shorter than before: all of its entries may be new. */
  #lose(name: string): void {
    this.#cursors.set(name, "0-0");
    this.#options.reader.seek(name, "0-0");
    this.recover().catch(this.#options.onError);
  }

  #take(name: string, entries: StreamEntry[]): void {
    this.#cursors.set(name, entries.at(-1)!.id);
    for (const { fields } of entries) {
      const executionId = fields.get("execution");
      if (executionId === undefined || !this.#waiters.has(executionId)) continue;
      const result = fields.get("result");
      // Most refer to nothing: their callers are answered at once.
      if (result !== undefined && !REFERS.test(result)) this.#waiters.reply(JSON.parse(result));
      else void this.#fetch(executionId, result);
    }
  }

  /** Gets a result that was too large to travel. */
  async #fetch(executionId: string, reply?: string): Promise<void> {
    while (this.#waiters.has(executionId)) {
      try {
        const { resolve, result: find } = this.#options;
        const result = (reply === undefined ? undefined : await resolve(reply)) ?? await find(executionId);
        this.#waiters.reply(
          result ?? {
            executionId,
            status: "failed",
            error: { code: "result_expired", message: "The result expired before it could be read" },
          },
        );
      } catch (error) {
        this.#options.onError(error);
        await pause(FETCH_AGAIN_MS);
      }
    }
  }
}
