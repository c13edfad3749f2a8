/**
 * Reads a changing set of streams over one blocked connection.
 *
 * Invariants:
 * 1. A stream's cursor moves only past entries that were handed to its handler: no gap, no repeat.
 * 2. A cursor is an entry id known before the block, never `$`: what is added meanwhile is read by the next XREAD.
 * 3. A change of the set wakes the blocked read (`CLIENT UNBLOCK`), and the connection is never blocked for longer
 *    than 5 s; a link that is silent for 2 s more is dropped and made anew.
 */
import type { RedisConnection, Reply } from "./connection.ts";

/** One stream entry: id and fields. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Takes the entries of one stream, oldest first. */
export type EntryHandler = (entries: StreamEntry[]) => void;

const BLOCK_MS = 5000;

interface Followed {
  cursor: string;
  readonly handler: EntryHandler;
}

/** A blocked XREAD over any number of streams. */
export class StreamReader {
  readonly #blocked: RedisConnection;
  readonly #commands: RedisConnection;
  readonly #onError: (error: unknown) => void;
  readonly #streams = new Map<string, Followed>();
  #wake: (() => void) | undefined;
  /** Numbers the reads; `#rearming` is the one that was told to end. */
  #read = 0;
  #rearming = -1;
  #reading = false;
  #stopped = false;
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
    this.#loop = this.#run();
  }

  /** Starts to hand the entries after `cursor` to the handler. One handler a stream. */
  follow(stream: string, cursor: string, handler: EntryHandler): void {
    this.#streams.set(stream, { cursor, handler });
    this.#rearm();
  }

  /** Stops following; the handler is not called again. */
  unfollow(stream: string): void {
    this.#streams.delete(stream);
  }

  /** Moves a cursor, after its stream was found to be gone or made anew. */
  moveTo(stream: string, cursor: string): void {
    const followed = this.#streams.get(stream);
    if (followed !== undefined) this.follow(stream, cursor, followed.handler);
  }

  /** How many streams are followed. */
  get size(): number {
    return this.#streams.size;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rearm();
    await this.#loop;
  }

  /** Ends the read that is blocked with an older set. It may not have reached the server yet: then asks again. */
  #rearm(): void {
    this.#wake?.();
    const read = this.#read;
    if (!this.#reading || this.#rearming === read) return;
    this.#rearming = read;
    void this.#unblock(read).catch(this.#onError);
  }

  async #unblock(read: number): Promise<void> {
    while (this.#reading && this.#read === read) {
      const unblocked = await this.#commands.send(["CLIENT", "UNBLOCK", String(this.#blocked.id)]);
      if (unblocked === 1) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#streams.size === 0) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      try {
        await this.#readOnce();
      } catch (error) {
        if (this.#stopped) return;
        this.#onError(error);
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
      }
    }
  }

  async #readOnce(): Promise<void> {
    const asked = new Map(this.#streams);
    const names = [...asked.keys()];
    const cursors = [...asked.values()].map(({ cursor }) => cursor);
    const command = ["XREAD", "COUNT", "1000", "BLOCK", String(BLOCK_MS), "STREAMS", ...names, ...cursors];
    this.#read++;
    this.#reading = true;
    let reply: Reply;
    try {
      reply = await this.#blocked.send(command, { deadlineMs: BLOCK_MS + 2000 });
    } finally {
      this.#reading = false;
    }
    for (const [name, entries] of parseStreams(reply)) {
      const followed = this.#streams.get(name);
      // Followed anew meanwhile, from another cursor: these entries will be read again from there.
      if (followed === undefined || followed !== asked.get(name) || entries.length === 0) continue;
      followed.cursor = entries.at(-1)!.id;
      followed.handler(entries);
    }
  }
}

/** Reads the reply of XREAD and XREADGROUP (RESP 2). Entries that were deleted meanwhile are left out. */
export function parseStreams(reply: Reply): [string, StreamEntry[]][] {
  if (reply === null) return [];
  return (reply as [string, Reply[]][]).map(([name, entries]) => [name, parseEntries(entries)]);
}

/** Reads a list of entries, as XRANGE replies. */
export function parseEntries(entries: Reply): StreamEntry[] {
  const parsed: StreamEntry[] = [];
  for (const [id, words] of entries as [string, string[] | null][]) {
    if (words === null) continue;
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < words.length; i += 2) fields.set(words[i]!, words[i + 1]!);
    parsed.push({ id, fields });
  }
  return parsed;
}
