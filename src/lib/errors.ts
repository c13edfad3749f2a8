/**
 * The errors that callers can see: a stable code each.
 *
 * @example
 * ```ts
 * throw new MillraceError("workflow_not_found", `No workflow has the id "${id}"`);
 * ```
 */

/** A stable, machine-readable name of what went wrong. Codes are part of the contract: add, never rename. */
export type ErrorCode =
  | "malformed_request"
  | "malformed_json"
  | "malformed_body"
  | "malformed_patch"
  | "json_too_deep"
  | "json_too_many_values"
  | "json_number_too_large"
  | "invalid_execution_id"
  | "invalid_last_event_id"
  | "invalid_parameter"
  | "invalid_idempotency_key"
  | "invalid_lock"
  | "unauthorized"
  | "verification_failed"
  | "insufficient_scope"
  | "address_not_allowed"
  | "rate_limited"
  | "host_not_allowed"
  | "origin_not_allowed"
  | "not_found"
  | "workflow_not_found"
  | "webhook_not_found"
  | "execution_not_found"
  | "result_not_found"
  | "dead_letter_not_found"
  | "schedule_not_found"
  | "session_not_found"
  | "session_part_not_found"
  | "designer_state_not_found"
  | "method_not_allowed"
  | "body_timeout"
  | "not_acceptable"
  | "execution_ended"
  | "not_external"
  | "lease_lost"
  | "event_out_of_order"
  | "log_limit"
  | "recording_too_large"
  | "execution_exists"
  | "invalid_bundle"
  | "too_many_backtests"
  | "webhook_path_taken"
  | "no_manual_trigger"
  | "trigger_not_found"
  | "patch_conflict"
  | "patch_test_failed"
  | "version_mismatch"
  | "body_too_large"
  | "document_too_large"
  | "unsupported_media_type"
  | "upgrade_required"
  | "invalid_workflow"
  | "invalid_session"
  | "idempotency_key_reused"
  | "locked"
  | "lock_not_held"
  | "concurrency_exceeded"
  | "execution_failed"
  | "execution_cancelled"
  | "invalid_response"
  | "session_unreadable"
  | "internal_error"
  | "unavailable"
  | "secret_missing"
  | "outcome_unknown"
  | "too_many_waiters"
  | "queue_full"
  | "bodies_full"
  | "storage_full"
  | "execution_lost"
  | "shutting_down"
  | "deadline_exceeded"
  | "depth_exceeded";

/** One fault in a document, found by its JSON pointer (RFC 6901). */
export interface Fault {
  /** JSON pointer into the document that was sent, `""` for the whole. */
  readonly pointer: string;
  /** What is wrong there: no final period. */
  readonly detail: string;
}

/** Options of a {@linkcode MillraceError}. */
export interface ErrorDetails {
  /** Further members of the problem document (RFC 9457, section 3.2). Default none. */
  readonly extensions?: Record<string, unknown>;
  /** Response headers of the problem, such as `Allow` or `Retry-After`; names in lower case. Default none. */
  readonly headers?: Record<string, string>;
  /** What was caught, for the log. Default none. */
  readonly cause?: unknown;
}

/** An error that may be shown to a caller as it is. */
export class MillraceError extends Error {
  override readonly name: string = "MillraceError";
  readonly code: ErrorCode;
  readonly options: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorDetails = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.options = options;
  }
}

/** A workflow definition was refused; `faults` names everything that is wrong with it. */
export class InvalidWorkflowError extends MillraceError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super("invalid_workflow", `The definition has ${faults.length} ${faults.length === 1 ? "fault" : "faults"}`, {
      extensions: { errors: faults },
    });
    this.faults = faults;
  }
}

/**
 * A node failed, as data: what `node.failed` and `execution.failed` carry.
 * Codes of nodes are open: `output_too_large`, `node_timeout`, `http_status`, or whatever a `fail` node says.
 */
export interface NodeErrorData {
  readonly code: string;
  /**
   * For callers: a fixed text, or the workflow author's own. Never an expression's source, a value, a URL or a host.
   */
  readonly message: string;
  /** For operators, under `/api` and in the log: what exactly went wrong, scrubbed of secrets. Callers never see it. */
  readonly detail?: string;
  /** The node that failed, where one did. */
  readonly node?: string;
}

/** An error as callers may see it. */
export function publicError({ code, message, node }: NodeErrorData): Omit<NodeErrorData, "detail"> {
  return { code, message, ...(node !== undefined && { node }) };
}

/** Options of a {@linkcode NodeError}. */
export interface NodeErrorOptions extends ErrorOptions {
  /** For operators: see {@linkcode NodeErrorData.detail}. */
  readonly detail?: string;
}

/** A node has failed. Thrown as a {@linkcode TerminalError} or a {@linkcode RetryableError}. */
export abstract class NodeError extends Error {
  readonly code: string;
  /** For operators: see {@linkcode NodeErrorData.detail}. The message is for callers. */
  readonly detail: string | undefined;

  constructor(code: string, message: string, options: NodeErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.detail = options.detail;
  }
}

/** Thrown by node types: this node has failed, and running it again will not help. */
export class TerminalError extends NodeError {
  override readonly name = "TerminalError";
}

/** Thrown by node types: this node has failed, and running it again may help. */
export class RetryableError extends NodeError {
  override readonly name = "RetryableError";
}

/** The code of a call that a recording has no answer to: it fails its execution, whatever the node's `onError` says. */
export const NOT_RECORDED = "not_recorded";

/** The store cannot be reached, refuses for now, or did not answer in time. */
export class UnavailableError extends MillraceError {
  /** False when the command was not sent or was refused; true when no answer came, so that its outcome is unknown. */
  readonly mayHaveHappened: boolean;

  constructor(message: string, options: { cause?: unknown; mayHaveHappened?: boolean } = {}) {
    super("unavailable", message, { cause: options.cause, headers: { "retry-after": "1" } });
    this.mayHaveHappened = options.mayHaveHappened ?? true;
  }
}

/** True where the store has no room now, or cannot be reached: it may take the same later. */
export function isRefusedForNow(error: unknown): boolean {
  return error instanceof MillraceError && (error.code === "storage_full" || error instanceof UnavailableError);
}

/**
 * The store takes no more events of this execution, and never will: nothing was appended, and the claim still stands.
 * The terminal event alone always fits, so the execution fails with this code.
 */
export class AppendRefusedError extends Error {
  override readonly name = "AppendRefusedError";
  /** `log_limit`: its log is full; `storage_full`: the store is. */
  readonly code: "log_limit" | "storage_full";

  constructor(code: "log_limit" | "storage_full", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** This worker no longer holds the execution: a later claim has a higher epoch, or the execution has ended. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}
