/**
 * The port of sessions: documents by id, each with a version and a time to live.
 *
 * Times are epoch milliseconds by the store's clock. Versions of one id only grow, even when the session is deleted and
 * made again. An expired session does not exist.
 */
import type { JsonValue } from "../lib/json.ts";

/** A session as it is stored. */
export interface StoredSession {
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Lifetime from each use on, in milliseconds. */
  readonly ttlMs: number;
  /** When it expires unless it is used before, in epoch milliseconds. */
  readonly expiresAt: number;
  /** Which parts were to be sealed when the whole session was last written: {@linkcode SealedParts.name}. */
  readonly sealed: string;
  /** The data in its stored form (`stored_form.ts`). */
  readonly data: JsonValue;
  /** Whether the data may have marks. */
  readonly hasMarks: boolean;
}

/** Precondition of a change: this version exists, any does (`*`), or none does; `undefined` is no precondition. */
export type Condition = number | "*" | "none" | undefined;

/** Outcome of a change. `moved`: the precondition does not hold; `version` is the existing one, if there is one. */
export type Outcome<T> = { readonly kind: "done"; readonly value: T } | {
  readonly kind: "moved";
  readonly version: number | undefined;
};

/** A session to be written. */
export interface SessionWrite {
  /** The data in its stored form, as JSON text. */
  readonly json: string;
  readonly ttlMs: number;
  readonly sealed: string;
  /** True when only the stored form changes: version and times stay, and followers are not told. Default false. */
  readonly isSame?: boolean;
}

/** A merge patch (RFC 7396) to be applied to the data. */
export interface SessionMerge {
  /** The patch, a JSON object in its stored form, as text. */
  readonly json: string;
  /** The new time to live, in milliseconds; by default it stays as it is. */
  readonly ttlMs?: number;
  /** {@linkcode SealedParts.name}: a session that was written under another one is not merged. */
  readonly sealed: string;
  /** Largest data after the merge, in bytes of JSON. */
  readonly limitBytes: number;
}

/** Stores sessions. */
export interface SessionStore {
  /** Reads a session and renews its time to live; `undefined` when there is none. */
  read(id: string): Promise<StoredSession | undefined>;
  /** Creates or replaces a session. */
  write(
    id: string,
    write: SessionWrite,
    condition: Condition,
  ): Promise<Outcome<Omit<StoredSession, "data" | "hasMarks" | "sealed" | "ttlMs"> & { readonly created: boolean }>>;
  /**
   * Merges in one step. Absent in a driver that cannot: callers then read, change and write under the version read.
   * Resolves with `undefined` when the session was written with other parts to be sealed.
   *
   * @throws {MillraceError} `document_too_large`
   */
  readonly merge?: (
    id: string,
    merge: SessionMerge,
    condition: Exclude<Condition, "none">,
  ) => Promise<Outcome<StoredSession> | undefined>;
  /** Deletes a session; resolves with the version that it had. */
  delete(id: string, condition: Exclude<Condition, "none">): Promise<Outcome<number>>;
  /**
   * A page of about `limit` ids, in no order. A session that exists from the first page to the last is listed at least
   * once. A page may be empty without being the last one. Throws `invalid_parameter` for an invalid cursor.
   */
  list(
    options: { limit: number; cursor?: string },
  ): Promise<{ sessions: { id: string; expiresAt: number }[]; nextCursor?: string }>;
}
