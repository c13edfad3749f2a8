/**
 * Sessions on Redis: a document each, RedisJSON, or the same JSON as a string.
 */
import { tooLarge } from "../../sessions/session.ts";
import type {
  Condition,
  SessionMerge,
  SessionStore,
  SessionWrite,
  StoredSession,
} from "../../sessions/session_store.ts";
import { mayHaveMarks } from "../../sessions/stored_form.ts";
import { invalidCursor, noRoom } from "../store_rules.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import { deleteSession } from "./scripts/delete_session.ts";
import { mergeSession } from "./scripts/merge_session.ts";
import { readSession } from "./scripts/read_session.ts";
import { writeSession } from "./scripts/write_session.ts";

/** How many times one page asks for more of the keyspace, and how much of it each time. */
const SCANS = 20;
const SCAN_COUNT = 500;

/** What the store is made of. */
export interface RedisSessionStoreOptions {
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** Whether documents are RedisJSON, or strings. */
  readonly asJson: boolean;
  /** The name of a session's document. */
  readonly document: (id: string) => string;
  /** The stream on which changes of a session are told; without it nobody is told. */
  readonly followed?: (id: string) => string;
  /** How all documents are called, and where in a name the id begins; without it they cannot be listed. */
  readonly all?: { readonly pattern: string; readonly start: number };
  /** What {@linkcode RedisSessionStoreOptions.followed} may hold. */
  readonly mailbox: { readonly entries: number; readonly bytes: number };
}

/** {@linkcode SessionStore} on Redis. */
export class RedisSessionStore implements SessionStore {
  readonly #options: RedisSessionStoreOptions;
  readonly merge?: NonNullable<SessionStore["merge"]>;

  constructor(options: RedisSessionStoreOptions) {
    this.#options = options;
    if (options.asJson && options.followed === undefined) {
      this.merge = (id, merge, condition) => this.#merge(id, merge, condition);
    }
  }

  async read(id: string): Promise<StoredSession | undefined> {
    const { commands, document, asJson } = this.#options;
    const reply = await readSession(commands, { keys: { document: document(id) }, asJson });
    return reply === null ? undefined : parse(...reply);
  }

  async write(
    id: string,
    write: SessionWrite,
    condition: Condition,
  ): ReturnType<SessionStore["write"]> {
    const { commands, asJson, mailbox } = this.#options;
    this.#makeRoom(write.json);
    const reply = await writeSession(commands, {
      ...write,
      isSame: write.isSame === true,
      keys: this.#keys(id),
      asJson,
      condition: String(condition ?? ""),
      mailbox,
    });
    if (reply[0] === "moved") return { kind: "moved", version: reply[1] ?? undefined };
    const [, version, createdAt, updatedAt, expiresAt, created] = reply;
    return { kind: "done", value: { version, createdAt, updatedAt, expiresAt, created: created === 1 } };
  }

  async delete(id: string, condition: Exclude<Condition, "none">): ReturnType<SessionStore["delete"]> {
    const { commands, asJson, mailbox } = this.#options;
    const [what, version] = await deleteSession(commands, {
      keys: this.#keys(id),
      asJson,
      condition: String(condition ?? ""),
      mailbox,
    });
    return what === "done" ? { kind: "done", value: version! } : { kind: "moved", version: version ?? undefined };
  }

  async list({ limit, cursor = "0" }: { limit: number; cursor?: string }): ReturnType<SessionStore["list"]> {
    const { commands, all } = this.#options;
    if (all === undefined) return { sessions: [] };
    if (!/^\d{1,20}$/.test(cursor) || BigInt(cursor) >= 2n ** 64n) throw invalidCursor(cursor);
    const names = new Set<string>();
    let next = cursor;
    for (let scans = 0; scans < SCANS && names.size < limit; scans++) {
      const count = String(Math.min(SCAN_COUNT, limit));
      const [after, found] = await commands.send<[string, string[]]>(
        ["SCAN", next, "MATCH", all.pattern, "COUNT", count],
      );
      for (const name of found) names.add(name);
      next = after;
      if (next === "0") break;
    }
    const [now, ...lives] = await Promise.all([
      commands.send<[string, string]>(["TIME"]),
      ...[...names].map((name) => commands.send<number>(["PTTL", name])),
    ]);
    const ms = Number(now[0]) * 1000 + Math.floor(Number(now[1]) / 1000);
    const sessions = [...names].flatMap((name, at) =>
      lives[at]! < 0 ? [] : [{ id: name.slice(all.start), expiresAt: ms + lives[at]! }]
    );
    return { sessions, ...(next !== "0" && { nextCursor: next }) };
  }

  async #merge(
    id: string,
    merge: SessionMerge,
    condition: Exclude<Condition, "none">,
  ): ReturnType<NonNullable<SessionStore["merge"]>> {
    const { commands, document } = this.#options;
    this.#makeRoom(merge.json);
    const keys = { document: document(id) };
    const reply = await mergeSession(commands, { ...merge, keys, condition: String(condition ?? "") });
    if (reply === null) return undefined;
    const [first, second] = reply;
    if (first === "large") throw tooLarge(merge.limitBytes);
    if (first === "moved") return { kind: "moved", version: second ?? undefined };
    return { kind: "done", value: parse(first, second!) };
  }

  #keys(id: string): { document: string; followed?: string } {
    const { document, followed } = this.#options;
    return { document: document(id), ...(followed !== undefined && { followed: followed(id) }) };
  }

  /** Counts what is written by its length. Throws `storage_full`. */
  #makeRoom(json: string): void {
    const { memory } = this.#options;
    if (!memory.hasRoomFor(json.length)) throw noRoom();
    memory.count(json.length);
  }
}

function parse(json: string, expiresAt: number): StoredSession {
  const { version, createdAt, updatedAt, ttlMs, sealed, data } = JSON.parse(json);
  return { version, createdAt, updatedAt, ttlMs, expiresAt, sealed, data, hasMarks: mayHaveMarks(json) };
}
