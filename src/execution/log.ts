/**
 * The port of the log: how executions are requested, read and steered.
 *
 * Any call that changes something may be sent twice, because a dropped connection leaves its outcome unknown: a
 * request is keyed by its execution id and an append by the sequence number that it expects, so the second sending
 * changes nothing and answers as the first did.
 */
import type { Acceptance, ExecutionRequest } from "./request.ts";
import type { ExecutionResult } from "./result.ts";
import type { ExecutionStatus, StoredEvent } from "./event.ts";

/** What the store knows of an execution without folding its log. */
export interface ExecutionMeta {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly requestedAt: number;
  readonly endedAt?: number;
  /** The execution that it is a fork of. */
  readonly forkOf?: string;
  /** It came as a file, from another installation: it is only looked at, and forked. */
  readonly imported?: true;
}

/** Options of everything that waits. */
export interface WaitOptions {
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** Which events a reader wants, and how much of them. */
export interface ReadOptions {
  /** An entry id, exclusive. */
  readonly after?: string;
  /** How many events are read at most; all by default. */
  readonly limit?: number;
  /** False: large values are not loaded, and `null` stands for them. */
  readonly values?: boolean;
  /** For tails: told that events before the next one may be missing, since the store has lost some, or has not got so far. */
  readonly onLoss?: () => void;
}

/** How many bytes of values a page of a log has, with which one more may be begun. */
export const PAGE_BYTES = 2 ** 21;

/** How executions are requested, read and steered. */
export interface ExecutionLog {
  /**
   * Makes the id of an execution to be requested: a UUIDv7 that lies in the partition where the workflow's slots, or
   * the idempotency key, are.
   */
  makeId(options: { workflowId: string; limited: boolean; idempotencyKey?: string }): string;

  /**
   * Appends `execution.requested` and puts the execution on the work stream, or into its workflow's queue while all
   * slots are taken, in one step. Idempotent by id. Throws a `MillraceError`: `queue_full`, `storage_full`,
   * `concurrency_exceeded` (by `onOverlap: "reject"`), `idempotency_key_reused` (the key came with another
   * fingerprint).
   */
  request(request: ExecutionRequest): Promise<Acceptance>;

  /** The metadata of an execution, or `undefined` for an unknown one. */
  meta(executionId: string): Promise<ExecutionMeta | undefined>;

  /**
   * Events in order, page by page as they are asked for: none is empty, and each is bounded in bytes
   * ({@linkcode PAGE_BYTES} and one event). No page for an unknown execution.
   */
  pages(executionId: string, options?: ReadOptions): AsyncIterable<StoredEvent[]>;

  /** All of {@linkcode pages} together: for logs that are known to be short, or a `limit`. */
  read(executionId: string, options?: ReadOptions): Promise<StoredEvent[]>;

  /**
   * Events after `after`, history first, then live as they are appended, with no gap and no repeat; ends after the
   * terminal event, or when the log expires, or by return on abort. From ahead of the log it goes on at the log's end.
   */
  tail(executionId: string, options: WaitOptions & Omit<ReadOptions, "limit">): AsyncIterable<StoredEvent>;

  /** The result, while it lives. */
  result(executionId: string): Promise<ExecutionResult | undefined>;

  /** Ends the execution from outside. False if it had already ended or is unknown. */
  cancel(executionId: string, options?: { reason?: string }): Promise<boolean>;

  /** Pauses an execution: no further node starts until {@linkcode resume}; running nodes end. */
  pause(executionId: string): Promise<PauseOutcome>;
  /** Lets a paused execution go on. */
  resume(executionId: string): Promise<PauseOutcome>;
}

/** Outcome of a pause or resume; `unchanged`: it was paused, or was not paused, already. */
export type PauseOutcome = "done" | "unchanged" | "ended" | "unknown";
