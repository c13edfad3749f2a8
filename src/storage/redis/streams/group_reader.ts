/**
 * One consumer of a consumer group, over any number of streams and a blocked connection of its own.
 *
 * Invariants:
 * 1. What the consumer was handed and has not acknowledged is to be read again before anything new: at first, after a
 *    new link (an entry can be handed to a link that is dead), and whenever {@linkcode GroupReader.again} says so.
 * 2. A link that Redis still takes to be alive may be handed entries until its block ends: after a new link, what is
 *    pending is read once more when that time is over.
 * 3. A group that is gone, with or without its stream, is made again from the beginning.
 */
import type { RedisConnection, Reply } from "../connection/connection.ts";
import { isGroupGone, makeGroup } from "./consumer_group.ts";
import { BLOCK_MS, GRACE_MS } from "../connection/deadlines.ts";

/** What a group reader is made of. */
export interface GroupReaderOptions {
  /** Names of the streams that are read, one a partition. */
  readonly streams: readonly string[];
  /** Name of the consumer group. */
  readonly group: string;
  /** The consumer's name. */
  readonly consumer: string;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Opens the connection that blocked reads have to themselves; called once, by the first session. */
  readonly openBlocked: () => Promise<RedisConnection>;
}

/** What one read asks for. */
export interface GroupRead {
  /** How many entries of each stream. */
  readonly count: number;
  /** `>` for what nobody was handed yet; an entry id for what is pending after it. */
  readonly id: string;
  /** All by default. */
  readonly streams?: readonly string[];
  /** How long to wait for an entry, at most {@linkcode BLOCK_MS}; not at all by default. */
  readonly blockMs?: number;
  /** How long a read that does not block may take; a command's usual time by default. */
  readonly deadlineMs?: number;
}

/** Reads as one consumer. */
export class GroupReader {
  readonly #options: GroupReaderOptions;
  #blocked: Promise<RedisConnection> | undefined;
  #again = true;
  /** The stream to be looked at next, where they are looked at in turn. */
  #next = 0;
  #onceMore: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GroupReaderOptions) {
    this.#options = options;
  }

  /**
   * Runs `work`, which may {@linkcode read}, once the link is there; an abort ends the read that is blocked. Empty on
   * abort, when the link is not back after `blockMs`, and when the group had to be made again.
   */
  async session<T>(options: { signal: AbortSignal; blockMs: number }, work: () => Promise<T[]>): Promise<T[]> {
    const { signal, blockMs } = options;
    const blocked = await this.#open();
    if (!(await blocked.whenReady({ timeoutMs: blockMs, signal })) && !blocked.closed) return [];
    const wake = () => this.unblock();
    signal.addEventListener("abort", wake, { once: true });
    try {
      return signal.aborted ? [] : await work();
    } catch (error) {
      if (!isGroupGone(error)) throw error;
      await this.#makeGroups();
      return [];
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  /** One XREADGROUP, within a session. */
  async read({ count, id, streams = this.#options.streams, blockMs, deadlineMs }: GroupRead): Promise<Reply> {
    const { group, consumer } = this.#options;
    const block = blockMs === undefined ? undefined : Math.ceil(Math.min(blockMs, BLOCK_MS));
    const limitMs = block === undefined ? deadlineMs : block + GRACE_MS;
    return await (await this.#open()).send([
      ...["XREADGROUP", "GROUP", group, consumer, "COUNT", String(count)],
      ...(block === undefined ? [] : ["BLOCK", String(block)]),
      ...["STREAMS", ...streams, ...streams.map(() => id)],
    ], limitMs === undefined ? {} : { deadlineMs: limitMs });
  }

  /**
   * Reads at most `count` entries that nobody was handed yet, over all streams; waits for the first at most `blockMs`.
   * COUNT is for each stream, so where there is not room for one of each they are looked at in turn, and only when all
   * are empty are they waited for together: what comes to several in that instant may be more.
   */
  async readNew({ count, blockMs }: { count: number; blockMs: number }): Promise<Reply> {
    const { streams } = this.#options;
    const each = Math.floor(count / streams.length);
    for (let looked = 0; each === 0 && looked < streams.length; looked += count) {
      const some = Array.from({ length: count }, () => streams[this.#next++ % streams.length]!);
      const reply = await this.read({ count: 1, id: ">", streams: some });
      if (reply !== null) return reply;
    }
    return await this.read({ count: Math.max(1, each), id: ">", blockMs });
  }

  /** Says that what is pending must be read again. */
  again(): void {
    this.#again = true;
  }

  /** Runs `work`, which reads what is pending, if that must be; it must be still when `work` fails. */
  async readAgain<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (!this.#again) return undefined;
    this.#again = false;
    try {
      return await work();
    } catch (error) {
      this.#again = true;
      throw error;
    }
  }

  /** Ends the read that is blocked. Without an answer it ends by itself, at the end of its block. */
  unblock(): void {
    this.#blocked?.then((blocked) => this.#options.commands.send(["CLIENT", "UNBLOCK", String(blocked.id)]))
      .catch(() => {});
  }

  /** Closes the blocked connection. */
  async close(): Promise<void> {
    clearTimeout(this.#onceMore);
    (await this.#blocked?.catch(() => undefined))?.close();
  }

  #open(): Promise<RedisConnection> {
    return this.#blocked ??= this.#makeGroups().then(async () => {
      const blocked = await this.#options.openBlocked();
      blocked.onReady(() => {
        this.again();
        clearTimeout(this.#onceMore);
        this.#onceMore = setTimeout(() => this.again(), BLOCK_MS + GRACE_MS);
      });
      return blocked;
    }).catch((error) => {
      this.#blocked = undefined;
      throw error;
    });
  }

  async #makeGroups(): Promise<void> {
    const { commands, streams, group } = this.#options;
    await Promise.all(streams.map((stream) => makeGroup(commands, stream, group)));
  }
}
