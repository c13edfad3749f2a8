/**
 * The inbox: the stream on which this instance gets the replies that its callers wait for, one a partition, all read
 * over one blocked connection.
 *
 * Invariants:
 * 1. The inbox exists, and its cursor is known, before any request names it: a fast reply cannot be missed.
 * 2. A reply is deleted from the stream after it was handed on; the stream expires with its instance.
 * 3. When an inbox was lost (expired while the process was stopped, or Redis lost its data), every waiter is checked
 *    against its result key.
 */
import type { RedisConnection } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import type { StreamEntry, StreamReader } from "../../redis/stream_reader.ts";
import type { ExecutionResult } from "../port.ts";
import { Waiters } from "../waiters.ts";

/** How long an inbox outlives its instance, and how often it is trimmed and kept alive, in milliseconds. */
const TTL_MS = 60_000;
const KEEP_MS = 2000;

/** What an inbox is opened with. */
export interface InboxOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly reader: StreamReader;
  readonly instance: string;
  readonly maxWaiters: number;
  readonly result: (executionId: string) => Promise<ExecutionResult | undefined>;
  readonly onError: (error: unknown) => void;
}

/** The replies of one instance. */
export class Inbox {
  readonly waiters: Waiters;
  readonly #options: InboxOptions;
  /** The last entry read of each inbox. */
  readonly #cursors = new Map<string, string>();
  #keeper: ReturnType<typeof setInterval> | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.waiters = new Waiters({ limit: options.maxWaiters });
  }

  /** Makes the inboxes and starts to read them. */
  async open(): Promise<void> {
    const { keys, instance, reader } = this.#options;
    for (const name of keys.each((partition) => keys.inbox(partition, instance))) {
      const cursor = await this.#make(name);
      this.#cursors.set(name, cursor);
      reader.follow(name, cursor, (entries) => this.#take(name, entries));
    }
    this.#keeper = setInterval(() => this.#keep().catch(this.#options.onError), KEEP_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#keeper);
    const names = [...this.#cursors.keys()];
    for (const name of names) this.#options.reader.unfollow(name);
    await Promise.all(names.map((name) => this.#options.commands.send(["DEL", name]).catch(() => {})));
  }

  /** Makes lost inboxes again and looks for the results that their callers may have missed. */
  async recover(): Promise<void> {
    for (const name of this.#cursors.keys()) {
      const last = await this.#options.commands.send<string | null>(["EXISTS", name]);
      if (Number(last) === 0) this.#moved(name, await this.#make(name));
    }
    await this.checkResults();
  }

  /** Answers every waiter whose result exists. */
  async checkResults(): Promise<void> {
    for (const id of this.waiters.ids()) {
      const result = await this.#options.result(id);
      if (result !== undefined) this.waiters.reply(result);
    }
  }

  async #make(name: string): Promise<string> {
    const id = await this.#options.commands.send<string>(["XADD", name, "*", "opened", this.#options.instance]);
    await this.#options.commands.send(["PEXPIRE", name, String(TTL_MS)]);
    return id;
  }

  #moved(name: string, cursor: string): void {
    this.#cursors.set(name, cursor);
    this.#options.reader.moveTo(name, cursor);
  }

  #take(name: string, entries: StreamEntry[]): void {
    this.#cursors.set(name, entries.at(-1)!.id);
    for (const { fields } of entries) {
      const executionId = fields.get("execution");
      if (executionId === undefined || !this.waiters.has(executionId)) continue;
      const result = fields.get("result");
      if (result !== undefined) this.waiters.reply(JSON.parse(result));
      else this.#fetch(executionId).catch(this.#options.onError);
    }
  }

  /** Gets a result that was too large to travel. */
  async #fetch(executionId: string): Promise<void> {
    const result = await this.#options.result(executionId);
    this.waiters.reply(
      result ?? {
        executionId,
        status: "failed",
        error: { code: "result_expired", message: "The result expired before it could be read" },
      },
    );
  }

  async #keep(): Promise<void> {
    const { commands } = this.#options;
    if (!commands.ready) return;
    for (const [name, cursor] of this.#cursors) {
      if (await commands.send(["PEXPIRE", name, String(TTL_MS)]) === 1) {
        // Keeps the newest entry read, so that the stream and its last id stay.
        await commands.send(["XTRIM", name, "MINID", cursor]);
        continue;
      }
      this.#moved(name, await this.#make(name));
      await this.checkResults();
    }
  }
}
