/**
 * Mailboxes in memory.
 */
import { entryTime } from "../../lib/entry_id.ts";
import { processClock } from "../../lib/clock.ts";
import {
  type Address,
  BOX_TTL_MS,
  isGap,
  type MailboxEntry,
  type Mailboxes,
  type RecentEvent,
  SESSION_BOXES,
} from "../../sessions/mailbox.ts";
import { checkSize } from "../../sessions/session.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { indexAfter } from "./state.ts";

/** What an entry takes besides its text, about. */
const ENTRY_BYTES = 128;

interface Kept {
  readonly ttlMs: number;
  entries: MailboxEntry[];
  /** Characters of JSON in the entries. */
  length: number;
}

/** What they are made of. */
export interface MemoryMailboxesOptions {
  /** The bytes of documents, mailboxes included, that this process may hold. */
  readonly budget: MemoryBudget;
  /** How many entries one box holds. */
  readonly entries: number;
  /** How many characters of JSON one box holds. */
  readonly bytes: number;
  /** Epoch milliseconds, the process's clock by default. */
  readonly now?: () => number;
}

/** {@linkcode Mailboxes} in memory. */
export class MemoryMailboxes implements Mailboxes {
  readonly #options: MemoryMailboxesOptions;
  readonly #now: () => number;
  readonly #boxes = new Map<string, Kept>();
  readonly #followers = new Map<string, Set<() => void>>();
  #lastMs = 0;
  #lastCount = 0;

  constructor(options: MemoryMailboxesOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => processClock.now());
    options.budget.onSweep(() => {
      for (const name of this.#boxes.keys()) this.#find(name);
    });
  }

  post({ box, id }: Address, json: string): Promise<string> {
    return new Promise((resolve) => {
      checkSize(json, this.#options.bytes);
      const entryId = this.#nextId();
      this.#add(nameOf({ box, id }), { id: entryId, json }, BOX_TTL_MS[box]);
      if (box === "events") {
        const event = `{"session":${JSON.stringify(id)},"id":"${entryId}","data":${json}}`;
        this.#add(RECENT, { id: entryId, json: event }, BOX_TTL_MS[box]);
      }
      resolve(entryId);
    });
  }

  read(address: Address, { limit, after }: { limit: number; after?: string }): Promise<MailboxEntry[]> {
    const entries = this.#find(nameOf(address))?.entries ?? [];
    const from = indexAfter(entries, after);
    return Promise.resolve(entries.slice(from, from + limit));
  }

  async *follow(
    address: Address,
    { signal, after }: { signal: AbortSignal; after?: string },
  ): AsyncIterable<MailboxEntry[] | "gap"> {
    const name = nameOf(address);
    let seen = { id: after, isLive: false };
    while (!signal.aborted) {
      const all = this.#find(name)?.entries ?? [];
      const entries = all.slice(indexAfter(all, seen.id));
      const [first] = entries;
      if (first === undefined) {
        await this.#change(name, signal);
        continue;
      }
      if (isGap(first, seen, BOX_TTL_MS[address.box])) yield "gap";
      seen = { id: entries.at(-1)!.id, isLive: true };
      yield entries;
    }
  }

  recent({ limit }: { limit: number }): Promise<RecentEvent[]> {
    const entries = this.#find(RECENT)?.entries ?? [];
    const newest = limit < entries.length ? entries.slice(-limit) : entries;
    return Promise.resolve(
      newest.toReversed().map(({ json }) => {
        const { session, id, data } = JSON.parse(json);
        return { session, id, json: JSON.stringify(data) };
      }),
    );
  }

  clear(id: string): Promise<void> {
    for (const box of SESSION_BOXES) {
      const name = nameOf({ box, id });
      const kept = this.#find(name);
      if (kept !== undefined) this.#drop(name, kept, kept.entries.length);
    }
    return Promise.resolve();
  }

  #add(name: string, { id, json }: { id: string; json: string }, ttlMs: number): void {
    const { budget, entries: mostEntries, bytes: mostBytes } = this.#options;
    budget.take(sizeOf(json));
    const kept = this.#find(name) ?? { ttlMs, entries: [], length: 0 };
    this.#boxes.set(name, kept);
    kept.entries.push({ id, json, before: kept.entries.at(-1)?.id ?? "" });
    kept.length += json.length;
    let surplus = Math.max(0, kept.entries.length - mostEntries);
    let length = kept.length - kept.entries.slice(0, surplus).reduce((sum, { json }) => sum + json.length, 0);
    while (length > mostBytes && surplus < kept.entries.length - 1) length -= kept.entries[surplus++]!.json.length;
    this.#drop(name, kept, surplus);
    const waiting = this.#followers.get(name);
    this.#followers.delete(name);
    for (const resolve of waiting ?? []) resolve();
  }

  /** What a box holds, without what has expired. */
  #find(name: string): Kept | undefined {
    const kept = this.#boxes.get(name);
    if (kept === undefined) return undefined;
    const oldest = this.#now() - kept.ttlMs;
    const young = kept.entries.findIndex(({ id }) => entryTime(id) > oldest);
    this.#drop(name, kept, young === -1 ? kept.entries.length : young);
    return this.#boxes.get(name);
  }

  /** Takes out the oldest entries. */
  #drop(name: string, kept: Kept, count: number): void {
    for (const { json } of kept.entries.slice(0, count)) {
      kept.length -= json.length;
      this.#options.budget.free(sizeOf(json));
    }
    if (count > 0) kept.entries = kept.entries.slice(count);
    if (kept.entries.length === 0) this.#boxes.delete(name);
  }

  #nextId(): string {
    const now = this.#now();
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#lastCount = 0;
    } else this.#lastCount++;
    return `${this.#lastMs}-${this.#lastCount}`;
  }

  #change(name: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#followers.get(name) ?? new Set();
      this.#followers.set(name, waiting);
      const done = () => {
        waiting.delete(done);
        if (waiting.size === 0 && this.#followers.get(name) === waiting) this.#followers.delete(name);
        signal.removeEventListener("abort", done);
        resolve();
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", done, { once: true });
      waiting.add(done);
    });
  }
}

/** The box of all events. */
const RECENT = "recent";

function nameOf({ box, id }: Address): string {
  return `${box}:${id}`;
}

function sizeOf(json: string): number {
  return 2 * json.length + ENTRY_BYTES;
}
