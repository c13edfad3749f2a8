/**
 * Sessions in memory: kept as JSON text, so that what they take is known.
 */
import { processClock } from "../../lib/clock.ts";
import type { Condition, SessionStore, SessionWrite, StoredSession } from "../../sessions/session_store.ts";
import { mayHaveMarks } from "../../sessions/stored_form.ts";
import { invalidCursor } from "../store_rules.ts";
import { keep, type Kept, sizeOf, textOf } from "./kept.ts";
import type { MemoryMailboxes } from "./mailboxes.ts";
import type { MemoryBudget } from "./memory_budget.ts";

/** What a session takes besides its text, about. */
const SESSION_BYTES = 256;

interface Entry extends Omit<StoredSession, "data" | "hasMarks"> {
  readonly kept: Kept;
  /** Where in the order of their making it is, for pages. */
  readonly place: number;
  expiresAt: number;
}

/** What the store is made of. */
export interface MemorySessionStoreOptions {
  /** The bytes of documents that this process may hold. */
  readonly budget: MemoryBudget;
  /** Tells those who follow a session what becomes of it; by default nobody is told. */
  readonly followed?: { readonly mailboxes: MemoryMailboxes; readonly box: "designer" };
  /** Epoch milliseconds, the process's clock by default. */
  readonly now?: () => number;
}

/** {@linkcode SessionStore} in memory. */
export class MemorySessionStore implements SessionStore {
  readonly #options: MemorySessionStoreOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #place = 0;
  #version = 0;

  constructor(options: MemorySessionStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => processClock.now());
    options.budget.onSweep(() => this.#sweep());
  }

  read(id: string): Promise<StoredSession | undefined> {
    const entry = this.#find(id);
    if (entry === undefined) return Promise.resolve(undefined);
    entry.expiresAt = this.#now() + entry.ttlMs;
    const json = textOf(entry.kept);
    const { version, createdAt, updatedAt, ttlMs, expiresAt, sealed } = entry;
    const data = JSON.parse(json);
    return Promise.resolve({
      version,
      createdAt,
      updatedAt,
      ttlMs,
      expiresAt,
      sealed,
      data,
      hasMarks: mayHaveMarks(json),
    });
  }

  async write(id: string, write: SessionWrite, condition: Condition): ReturnType<SessionStore["write"]> {
    const { json, ttlMs, sealed, isSame = false } = write;
    const found = this.#find(id);
    if (!holds(condition, found)) return { kind: "moved", version: found?.version };
    const now = this.#now();
    const kept = keep(json);
    const { budget } = this.#options;
    budget.take(sizeOf(kept) + SESSION_BYTES);
    if (found !== undefined && this.#entries.get(id) === found) budget.free(bytesOf(found));
    // As on Redis: never used again, and greater than all before.
    if (!isSame) this.#version = Math.max(this.#version + 1, now * 1000);
    const entry: Entry = {
      kept,
      ttlMs,
      sealed,
      version: isSame ? found!.version : this.#version,
      createdAt: found?.createdAt ?? now,
      updatedAt: isSame ? found!.updatedAt : now,
      expiresAt: now + ttlMs,
      place: found?.place ?? ++this.#place,
    };
    this.#entries.set(id, entry);
    const { version, createdAt, updatedAt, expiresAt } = entry;
    if (!isSame) await this.#tell(id, { type: "saved", version });
    return { kind: "done", value: { version, createdAt, updatedAt, expiresAt, created: found === undefined } };
  }

  async delete(id: string, condition: Exclude<Condition, "none">): ReturnType<SessionStore["delete"]> {
    const found = this.#find(id);
    if (found === undefined || !holds(condition, found)) return { kind: "moved", version: found?.version };
    this.#forget(id, found);
    await this.#tell(id, { type: "deleted" });
    return { kind: "done", value: found.version };
  }

  list({ limit, cursor = "0" }: { limit: number; cursor?: string }): ReturnType<SessionStore["list"]> {
    if (!/^\d{1,15}$/.test(cursor)) throw invalidCursor(cursor);
    this.#sweep();
    // A session that is written again keeps its place in the map.
    const rest = [...this.#entries].filter(([, { place }]) => place > Number(cursor));
    const page = rest.slice(0, limit);
    const sessions = page.map(([id, { expiresAt }]) => ({ id, expiresAt }));
    return Promise.resolve({ sessions, ...(rest.length > limit && { nextCursor: String(page.at(-1)![1].place) }) });
  }

  #find(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.expiresAt > this.#now()) return entry;
    this.#forget(id, entry);
    return undefined;
  }

  #forget(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#options.budget.free(bytesOf(entry));
  }

  #sweep(): void {
    const now = this.#now();
    for (const [id, entry] of this.#entries) if (entry.expiresAt <= now) this.#forget(id, entry);
  }

  async #tell(id: string, data: { type: string; version?: number }): Promise<void> {
    const { followed } = this.#options;
    await followed?.mailboxes.post({ box: followed.box, id }, JSON.stringify(data));
  }
}

function bytesOf({ kept }: Entry): number {
  return sizeOf(kept) + SESSION_BYTES;
}

function holds(condition: Condition, found: Entry | undefined): boolean {
  if (condition === undefined) return true;
  if (condition === "none") return found === undefined;
  return found !== undefined && (condition === "*" || condition === found.version);
}
