/**
 * Detects paths that normalisation would change: a proxy that allows `/webhook/` and a server that resolves
 * `/webhook/../metrics` would disagree about them.
 *
 * @example
 * ```ts
 * isAmbiguous("/webhook/%2e%2e/metrics?a=.."); // true
 * ```
 */
import { MillraceError } from "../../lib/errors.ts";
import { problemResponse } from "../protocol/problem.ts";

/** A segment of one or two dots, each as it is or encoded, between slashes of any kind; or a backslash at all. */
const AMBIGUOUS = /(?:^|\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)|\\|%5c/i;

/**
 * True for the target of a request (RFC 9112, section 3.2) whose path has dot segments or backslashes, encoded or not.
 */
export function isAmbiguous(target: string): boolean {
  const end = target.search(/[?#]/);
  return AMBIGUOUS.test(end === -1 ? target : target.slice(0, end));
}

/** The answer to such a request. */
export function ambiguousPathResponse(): Response {
  return malformedRequestResponse("The path has a segment of dots, or a backslash");
}

/** The answer to a request that cannot be routed. */
export function malformedRequestResponse(detail = "The request has no valid target or Host"): Response {
  return problemResponse(new MillraceError("malformed_request", detail), {
    headers: { connection: "close", "x-content-type-options": "nosniff" },
  });
}

/** The rest of a path without its leading slash: the first segment may be spelled in several ways, `/%77ebhook`. */
export function behindFirstSegment(path: string): string {
  const slash = path.indexOf("/", 1);
  return slash === -1 ? "" : path.slice(slash + 1);
}

/** Path and query as sent; Hono's `path` is partly decoded. */
export function splitUrl(url: string): { path: string; query: string } {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const hash = url.indexOf("#", start);
  const end = hash === -1 ? url.length : hash;
  const mark = url.indexOf("?", start);
  if (mark === -1 || mark > end) return { path: url.slice(start, end), query: "" };
  return { path: url.slice(start, mark), query: url.slice(mark + 1, end) };
}
