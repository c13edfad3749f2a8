/**
 * Reads a changing set of streams over one blocked connection.
 *
 * Invariants:
 * 1. A stream's cursor moves only past entries that were handed to its handler: no gap, no repeat.
 * 2. A cursor is an entry id known before the block, never `$`: what is added meanwhile is read by the next XREAD.
 * 3. A change of the set wakes the blocked read (`CLIENT UNBLOCK`), and the connection is never blocked for longer
 *    than `BLOCK_MS`; a link that is silent for `GRACE_MS` more is dropped and made anew.
 * 4. A stream may be lost, or fall back behind its cursor (FLUSHALL, a failover that lost writes), or be trimmed past
 *    it. This is looked for on every new link, and while nothing comes. The cursor then goes back to where everything
 *    new will be read, and the follower hears of the loss.
 */
import { compareEntryIds } from "../../../lib/entry_id.ts";
import { pause } from "../../../lib/delay.ts";
import type { RedisConnection, Reply } from "../connection/connection.ts";
import { BLOCK_MS, GRACE_MS } from "../connection/deadlines.ts";
import { readStreamInfo, type StreamInfo } from "./stream_info.ts";
import { parseStreams, type StreamEntry } from "./stream_replies.ts";

/** Takes the entries of one stream, oldest first. */
export type EntryHandler = (entries: StreamEntry[]) => void;

/** Hears that entries may be missing, or come again, after `cursor`, from which it is read now. */
export type LossHandler = (cursor: string) => void;

/** How often idle streams are looked at, in milliseconds, and how many at most. */
const IDLE_CHECK_MS = 5000;
const IDLE_CHECK_MOST = 100;
/** How many streams are asked about at once. */
const CHUNK = 100;

interface Followed {
  cursor: string;
  readonly handler: EntryHandler;
  readonly onLoss: LossHandler;
}

/** A blocked XREAD over any number of streams. */
export class StreamReader {
  readonly #blocked: RedisConnection;
  readonly #commands: RedisConnection;
  readonly #onError: (error: unknown) => void;
  readonly #streams = new Map<string, Followed>();
  readonly #stop = new AbortController();
  #wake: (() => void) | undefined;
  /** Numbers the reads; `#rearming` is the one that was told to end. */
  #read = 0;
  #rearming = -1;
  #reading = false;
  /** The link is new, and no cursor was compared over it. */
  #unchecked = false;
  #checkedAt = performance.now();
  #loop: Promise<void>;

  /** @param options.blocked a connection of its own; @param options.commands one that is never blocked */
  constructor(options: {
    blocked: RedisConnection;
    commands: RedisConnection;
    onError?: (error: unknown) => void;
  }) {
    this.#blocked = options.blocked;
    this.#commands = options.commands;
    this.#onError = options.onError ?? (() => {});
    this.#blocked.onReady(() => {
      this.#unchecked = true;
    });
    this.#loop = this.#run();
  }

  /** Starts to hand the entries after `cursor` to the handler. One handler a stream. */
  follow(stream: string, cursor: string, handler: EntryHandler, onLoss: LossHandler = () => {}): void {
    this.#streams.set(stream, { cursor, handler, onLoss });
    this.#rearm();
  }

  /** Stops following; the handler is not called again. */
  unfollow(stream: string): void {
    this.#streams.delete(stream);
  }

  /** Moves a cursor, after its stream was found to be gone or made anew. */
  seek(stream: string, cursor: string): void {
    const followed = this.#streams.get(stream);
    if (followed !== undefined) this.follow(stream, cursor, followed.handler, followed.onLoss);
  }

  /** How many streams are followed. */
  get size(): number {
    return this.#streams.size;
  }

  /** Ends the loop; takes as long as the read that is under way, and that is told to end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rearm();
    await this.#loop;
  }

  /** Ends the read that is blocked with an older set. It may not have reached the server yet: then asks again. */
  #rearm(): void {
    this.#wake?.();
    const read = this.#read;
    if (!this.#reading || this.#rearming === read) return;
    this.#rearming = read;
    // Without an answer the read ends by itself, at the end of its block.
    void this.#unblock(read).catch(() => {});
  }

  async #unblock(read: number): Promise<void> {
    for (let delayMs = 1; this.#reading && this.#read === read; delayMs = Math.min(50, delayMs * 2)) {
      const unblocked = await this.#commands.send(["CLIENT", "UNBLOCK", String(this.#blocked.id)]);
      if (unblocked === 1) return;
      await pause(delayMs);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#streams.size === 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      try {
        if (this.#unchecked) await this.#check({ afterLoss: true });
        const isIdle = await this.#readOnce();
        if (isIdle && this.#streams.size <= IDLE_CHECK_MOST && performance.now() - this.#checkedAt > IDLE_CHECK_MS) {
          await this.#check({ afterLoss: false });
        }
      } catch (error) {
        if (signal.aborted || this.#blocked.closed) return;
        // The loss of the link was told by the connection itself.
        if (this.#blocked.ready) this.#onError(error);
        if (this.#blocked.ready) await pause(100 + Math.random() * 200);
        else await this.#blocked.whenReady({ timeoutMs: 60_000, signal });
      }
    }
  }

  /** One blocked read; true when nothing came. */
  async #readOnce(): Promise<boolean> {
    const asked = new Map(this.#streams);
    const names = [...asked.keys()];
    const cursors = [...asked.values()].map(({ cursor }) => cursor);
    const command = ["XREAD", "COUNT", "1000", "BLOCK", String(BLOCK_MS), "STREAMS", ...names, ...cursors];
    this.#read++;
    this.#reading = true;
    let reply: Reply;
    try {
      reply = await this.#blocked.send(command, { deadlineMs: BLOCK_MS + GRACE_MS });
    } finally {
      this.#reading = false;
    }
    for (const [name, entries] of parseStreams(reply)) {
      const followed = this.#streams.get(name);
      // Followed anew meanwhile, from another cursor: these entries will be read again from there.
      if (followed === undefined || followed !== asked.get(name) || entries.length === 0) continue;
      followed.cursor = entries.at(-1)!.id;
      this.#call(() => followed.handler(entries));
    }
    return reply === null;
  }

  /** Compares every cursor with its stream (invariant 4). */
  async #check({ afterLoss }: { afterLoss: boolean }): Promise<void> {
    this.#unchecked = false;
    const followed = [...this.#streams];
    try {
      for (let i = 0; i < followed.length; i += CHUNK) {
        await Promise.all(
          followed.slice(i, i + CHUNK).map(async ([name, it]) => {
            const { cursor } = it;
            const info = await readStreamInfo(this.#blocked, name, { deadlineMs: GRACE_MS });
            if (this.#streams.get(name) !== it || it.cursor !== cursor) return;
            const back = whereToGoBack(cursor, info);
            if (back === undefined && !(afterLoss && isTrimmedPast(cursor, info))) return;
            it.cursor = back ?? cursor;
            this.#call(() => it.onLoss(it.cursor));
          }),
        );
      }
    } catch (error) {
      this.#unchecked ||= afterLoss;
      throw error;
    }
    this.#checkedAt = performance.now();
  }

  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#onError(error);
    }
  }
}

/** The cursor for a stream that is gone, or ends before the present cursor; `undefined` when it need not move. */
function whereToGoBack(cursor: string, info: StreamInfo | undefined): string | undefined {
  if (info === undefined) return cursor === "0-0" ? undefined : "0-0";
  return compareEntryIds(info.lastId, cursor) < 0 ? info.lastId : undefined;
}

/** True when entries after the cursor may have been trimmed while it was not read. */
function isTrimmedPast(cursor: string, info: StreamInfo | undefined): boolean {
  if (info === undefined || cursor === "0-0" || compareEntryIds(info.lastId, cursor) <= 0) return false;
  return info.firstId === undefined || compareEntryIds(info.firstId, cursor) > 0;
}
