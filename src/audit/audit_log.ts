/**
 * The port of the audit: who changed what through the API, in a list that keeps the newest.
 */

/** One call that may have changed something. It has no bodies, no headers and no queries. */
export interface AuditRecord {
  /** When it was answered, by the store's clock: epoch milliseconds. */
  readonly at: number;
  /** The name of the caller's token; `unnamed` for one without, `anonymous` where there are no tokens. */
  readonly token: string;
  readonly method: string;
  /** The pattern of the route, such as `/api/workflows/:id`. */
  readonly route: string;
  /** What it was about: ids by what they are ids of, such as `{"workflow": "orders", "version": 3}`. */
  readonly what: Readonly<Record<string, AuditValue>>;
  /** What was answered, as in HTTP. */
  readonly status: number;
  /** The `X-Request-Id` of the call, as in the request log. */
  readonly requestId: string;
}

/** An id, a number, or several ids. */
export type AuditValue = string | number | readonly string[];

/** A record as it is kept. */
export interface AuditEntry extends AuditRecord {
  /** Greater than those of all that were written before it. */
  readonly id: string;
}

/** Some records of one writer, numbered, so that they can be sent twice. */
export interface AuditBatch {
  /** Unique name of the writer. */
  readonly writer: string;
  /** Greater than that of the writer's batch before it. */
  readonly number: number;
  readonly records: readonly AuditRecord[];
}

/** A page of entries, the newest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where the next page begins; absent on the last one. */
  readonly nextCursor?: string;
}

/** Which entries are asked for. */
export interface AuditQuery {
  /** How many at most, at least 1. */
  readonly limit: number;
  /** Only what came before the entry of this id. */
  readonly cursor?: string;
  /** Only what the token of this name did. */
  readonly token?: string;
}

/** Where the audit is kept. */
export interface AuditLog {
  /**
   * Writes a batch, unless it, or a later one of its writer, has been written. The oldest entries go, a few more or less,
   * where there are more than may be.
   *
   * @throws {MillraceError} `unavailable`: it may have been written
   */
  append(batch: AuditBatch): Promise<void>;
  /** A page; with `token` it may be short, or empty, though there is a next one. Throws `invalid_parameter`. */
  list(query: AuditQuery): Promise<AuditPage>;
}
