/**
 * What keeps sessions: documents under ids, each with a version and a time to live.
 *
 * Times are the store's own, epoch milliseconds; a version is a number that only grows, also past a deletion of the
 * session and a new one under its id. A session that has expired is not there.
 */
import type { JsonValue } from "../lib/json.ts";

/** A session as it is kept. */
export interface StoredSession {
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** How long it lives from each use on. */
  readonly ttlMs: number;
  /** When it ends unless it is used. */
  readonly expiresAt: number;
  /** Says which parts were to be sealed when all of it was last written. */
  readonly sealed: string;
  /** In its stored form (`stored_form.ts`). */
  readonly data: JsonValue;
  /** The data may have marks. */
  readonly hasMarks: boolean;
}

/** What a change asks of the session that is there: a version, any (`*`), or none; without a condition, nothing. */
export type Condition = number | "*" | "none" | undefined;

/** What becomes of a change. `moved`: the condition does not hold, `version` is what is there, if anything is. */
export type Outcome<T> = { readonly kind: "done"; readonly value: T } | {
  readonly kind: "moved";
  readonly version: number | undefined;
};

/** What is written. */
export interface SessionWrite {
  /** JSON text in its stored form. */
  readonly json: string;
  readonly ttlMs: number;
  readonly sealed: string;
  /** The same session in another form: its version and its times stay, and nobody is told. */
  readonly isSame?: boolean;
}

/** A merge patch (RFC 7396) of the data. */
export interface SessionMerge {
  /** A JSON object in its stored form, as text. */
  readonly json: string;
  /** Changes the time to live. */
  readonly ttlMs?: number;
  /** A session that was written with other parts to be sealed is not merged. */
  readonly sealed: string;
  /** How many bytes of JSON the data may have. */
  readonly limitBytes: number;
}

/** Where sessions are kept. */
export interface SessionStore {
  /** The session, whose life begins anew. */
  read(id: string): Promise<StoredSession | undefined>;
  /** Writes a session, or writes over it. */
  write(
    id: string,
    write: SessionWrite,
    condition: Condition,
  ): Promise<Outcome<Omit<StoredSession, "data" | "hasMarks" | "sealed" | "ttlMs"> & { readonly created: boolean }>>;
  /**
   * Merges in one step, where the store can by itself; who uses another reads, changes and writes on the condition
   * that nobody else did. `undefined`: it was written with other parts to be sealed.
   *
   * @throws {MillraceError} `document_too_large`
   */
  readonly merge?: (
    id: string,
    merge: SessionMerge,
    condition: Exclude<Condition, "none">,
  ) => Promise<Outcome<StoredSession> | undefined>;
  /** Deletes; the version that it had. */
  delete(id: string, condition: Exclude<Condition, "none">): Promise<Outcome<number>>;
  /**
   * About `limit` sessions, in no order. Each that is there from the first page to the last comes at least once; a page
   * may be empty and not the last. Throws `invalid_parameter` for what is no cursor.
   */
  list(
    options: { limit: number; cursor?: string },
  ): Promise<{ sessions: { id: string; expiresAt: number }[]; nextCursor?: string }>;
}
