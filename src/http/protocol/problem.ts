/**
 * Errors as HTTP responses: `application/problem+json` (RFC 9457) with a stable `code`.
 *
 * @example
 * ```ts
 * return problemResponse(new MillraceError("webhook_not_found", "No active webhook has this path"));
 * ```
 */
import { HTTPException } from "hono/http-exception";
import { type ErrorCode, MillraceError, UnavailableError } from "../../lib/errors.ts";
import { ERROR_STATUS } from "./error_status.ts";

/** A problem document; extension members stand beside these. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  /** Path of the request. */
  readonly instance?: string;
  readonly [extension: string]: unknown;
}

/** Options of {@linkcode problemResponse}. */
export interface ProblemOptions {
  /** The path of the request, as the document's `instance`. */
  readonly instance?: string;
  /** Response headers besides the error's own, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the document. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: "unauthorized",
  404: "not_found",
  405: "method_not_allowed",
  413: "body_too_large",
  415: "unsupported_media_type",
};

/** Statuses that get a `Retry-After` if the error has none. */
const RETRIED_STATUS: ReadonlySet<number> = new Set([429, 503]);

/**
 * Converts anything that was thrown into an error for callers. Errors that are not meant for them become
 * `internal_error`, without their message.
 */
export function toMillraceError(thrown: unknown): MillraceError {
  if (thrown instanceof UnavailableError) {
    // The store's message may name hosts, keys and settings.
    return new MillraceError("unavailable", "The store does not answer, or refuses for now", {
      headers: thrown.options.headers!,
      cause: thrown,
    });
  }
  if (thrown instanceof MillraceError) return thrown;
  if (thrown instanceof HTTPException && thrown.status < 500) {
    const code = CODE_OF_STATUS[thrown.status] ?? "invalid_parameter";
    return new MillraceError(code, thrown.message || titleOf(code), { cause: thrown });
  }
  return new MillraceError("internal_error", "Something went wrong on this side; the log has the reason", {
    cause: thrown,
  });
}

/** The problem document of an error. */
export function problemOf(error: MillraceError, options: ProblemOptions = {}): Problem {
  const { instance, extensions } = options;
  return {
    // Spread first: an extension never takes the place of a standard member.
    ...error.options.extensions,
    ...extensions,
    type: `urn:millrace:problem:${error.code}`,
    title: titleOf(error.code),
    status: ERROR_STATUS[error.code],
    detail: error.message,
    code: error.code,
    ...(instance !== undefined && { instance }),
  };
}

/** The response to an error, or to anything else that was thrown. */
export function problemResponse(thrown: unknown, options: ProblemOptions = {}): Response {
  const error = toMillraceError(thrown);
  const problem = problemOf(error, options);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "cache-control": "no-store",
      ...(RETRIED_STATUS.has(problem.status) && { "retry-after": "1" }),
      ...options.headers,
      ...error.options.headers,
      "content-type": "application/problem+json",
    },
  });
}

function titleOf(code: ErrorCode): string {
  const words = code.replaceAll("_", " ").replace(/\bjson\b/, "JSON").replace(/\bid\b/, "ID");
  return words[0]!.toUpperCase() + words.slice(1);
}
