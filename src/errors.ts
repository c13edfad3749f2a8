/**
 * The errors that callers can see: a stable code each, and the HTTP status it is answered with.
 *
 * @example
 * ```ts
 * throw new MillraceError("workflow_not_found", `No workflow has the id "${id}"`);
 * ```
 */

/** Every code and the HTTP status that it is answered with. Codes are part of the contract: add, never rename. */
export const ERROR_STATUS = {
  malformed_request: 400,
  malformed_json: 400,
  malformed_body: 400,
  json_too_deep: 400,
  json_too_many_values: 413,
  invalid_execution_id: 400,
  invalid_last_event_id: 400,
  invalid_parameter: 400,
  invalid_idempotency_key: 400,
  unauthorized: 401,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  not_found: 404,
  workflow_not_found: 404,
  webhook_not_found: 404,
  execution_not_found: 404,
  result_not_found: 404,
  dead_letter_not_found: 404,
  method_not_allowed: 405,
  body_timeout: 408,
  not_acceptable: 406,
  execution_ended: 409,
  webhook_path_taken: 409,
  no_manual_trigger: 409,
  trigger_not_found: 409,
  version_mismatch: 412,
  body_too_large: 413,
  unsupported_media_type: 415,
  invalid_workflow: 422,
  idempotency_key_reused: 422,
  concurrency_exceeded: 429,
  execution_failed: 500,
  execution_cancelled: 500,
  invalid_response: 500,
  internal_error: 500,
  unavailable: 503,
  outcome_unknown: 503,
  too_many_waiters: 503,
  queue_full: 503,
  bodies_full: 503,
  storage_full: 503,
  execution_lost: 503,
  shutting_down: 503,
  deadline_exceeded: 504,
  depth_exceeded: 508,
} as const;

/** A stable, machine-readable name of what went wrong. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** One fault in a document, found by its JSON pointer (RFC 6901). */
export interface Fault {
  /** JSON pointer into the document that was sent, `""` for the whole. */
  readonly pointer: string;
  /** What is wrong there: no final period. */
  readonly detail: string;
}

/** What goes with a {@linkcode MillraceError}. */
export interface ErrorDetails {
  /** Further members of the problem document (RFC 9457, section 3.2). */
  readonly extensions?: Record<string, unknown>;
  /** Response headers that go with it, such as `Allow` or `Retry-After`. */
  readonly headers?: Record<string, string>;
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

  /** The HTTP status of its code. */
  get status(): number {
    return ERROR_STATUS[this.code];
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
  /** For callers: fixed words, or the workflow author's own. Never an expression's source, a value, a URL, a host. */
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

/** What goes with a {@linkcode TerminalError}. */
export interface NodeErrorOptions extends ErrorOptions {
  /** For operators: see {@linkcode NodeErrorData.detail}. */
  readonly detail?: string;
}

/**
 * Thrown by node types: this node has failed, and running it again will not help. The message is for callers, what
 * else there is to say goes into `detail`.
 */
export class TerminalError extends Error {
  override readonly name: string = "TerminalError";
  readonly code: string;
  readonly detail: string | undefined;

  constructor(code: string, message: string, options: NodeErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.detail = options.detail;
  }
}

/** Thrown by node types: this node has failed, and running it again may help. */
export class RetryableError extends TerminalError {
  override readonly name: string = "RetryableError";
}

/** The store cannot be reached, refuses for now, or did not answer in time. */
export class UnavailableError extends MillraceError {
  /** False when what was asked was not sent, or was refused. Without an answer nobody knows. */
  readonly mayHaveHappened: boolean;

  constructor(message: string, options: { cause?: unknown; mayHaveHappened?: boolean } = {}) {
    super("unavailable", message, { cause: options.cause, headers: { "retry-after": "1" } });
    this.mayHaveHappened = options.mayHaveHappened ?? true;
  }
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
