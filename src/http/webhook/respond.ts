/**
 * How an execution ended, as the response to its caller.
 */
import { MillraceError, publicError } from "../../lib/errors.ts";
import type { ExecutionResult, ResponseData } from "../../execution/result.ts";
import { decodeBase64 } from "../../lib/base64.ts";
import { CONNECTION_FIELDS, isHeaderName, isHeaderValue } from "../../lib/header.ts";
import type { Webhook } from "../../workflow/definition.ts";
import { JOINED_HEADERS, setHeaders } from "../frame/frame.ts";
import { depthExceeded } from "../protocol/depth.ts";

/** The body must be null for these (Fetch, section 2.2.3), and 205 has none either (RFC 9110, section 15.3.6). */
const NULL_BODY_STATUS: ReadonlySet<number> = new Set([204, 205, 304]);

/** Types that a browser may run scripts of: HTML, and XML in all its kinds (XHTML, SVG, XSLT, RDF, …). */
const ACTIVE_TYPE = /html|xml|xsl|svg|rdf|multipart/;

/**
 * Makes the response to an execution that completed or answered early: what its `httpResponse` node set, else 200
 * with the output as JSON.
 *
 * @param headers go with it and win over the workflow's own, but for those that are joined; names in lower case
 * @throws {MillraceError} `execution_failed`, `execution_cancelled`, or `invalid_response` when what the workflow made
 * cannot be sent
 */
export function respond(result: ExecutionResult, headers: Readonly<Record<string, string>>): Response {
  const { executionId, status, response, output, error } = result;
  // Passed on as it is, so that every workflow of the circle ends like the innermost one, and none is tried again.
  if (status === "failed" && error?.code === "depth_exceeded") throw depthExceeded(executionId);
  if (status === "failed") {
    throw new MillraceError("execution_failed", error?.message ?? "The execution failed", {
      extensions: { executionId, ...(error && { error: publicError(error) }) },
    });
  }
  if (status === "cancelled") {
    throw new MillraceError("execution_cancelled", "The execution was cancelled before it ended", {
      extensions: { executionId },
    });
  }
  if (response) return fromResponseData(response, headers, executionId);
  return new Response(JSON.stringify(output ?? null), {
    status: 200,
    headers: { "content-type": "application/json", ...headers },
  });
}

/** The result for a webhook's caller: a failure after an early response is left out, as it was for the first caller. */
export function shownTo({ responseMode }: Webhook, result: ExecutionResult): ExecutionResult {
  const hasResponded = responseMode === "responseNode" && result.response !== undefined;
  return hasResponded ? { ...result, status: "responded" } : result;
}

function fromResponseData(
  data: ResponseData,
  ours: Readonly<Record<string, string>>,
  executionId: string,
): Response {
  const { status } = data;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw invalidResponse("Cannot send the response: its status is not 200 to 599", executionId);
  }
  const single: Record<string, string> = {};
  const repeated: [string, string][] = [];
  let isJoined = false;
  for (const [givenName, value] of Object.entries(data.headers)) {
    const name = givenName.toLowerCase();
    if (CONNECTION_FIELDS.has(name) || name === "__proto__") continue;
    const values = typeof value === "string" ? [value] : value;
    if (!isHeaderName(name) || !values.every(isHeaderValue)) {
      throw invalidResponse("Cannot send the response: a header's name or value is not allowed", executionId);
    }
    isJoined ||= name in ours && JOINED_HEADERS.has(name);
    if (typeof value === "string") single[name] = value;
    else if (JOINED_HEADERS.has(name) || !(name in ours)) { for (const one of values) repeated.push([name, one]); }
  }
  const body = NULL_BODY_STATUS.has(status) ? null : bodyOf(data, single, executionId);
  const has = (name: string, matches: (value: string) => boolean) =>
    (single[name] !== undefined && matches(single[name])) ||
    repeated.some(([n, value]) => n === name && matches(value));
  if (has("content-type", isActive) && !has("content-security-policy", () => true)) {
    // Active content made by a workflow must not run in the origin of the API.
    single["content-security-policy"] = "sandbox";
  }
  if (isJoined) {
    const headers = new Headers([...Object.entries(single), ...repeated]);
    setHeaders(headers, ours);
    return new Response(body, { status, headers });
  }
  const headers = Object.assign(single, ours);
  return new Response(body, {
    status,
    headers: repeated.length === 0 ? headers : [...Object.entries(headers), ...repeated],
  });
}

function isActive(type: string): boolean {
  return ACTIVE_TYPE.test(type.toLowerCase());
}

/** The body; gives it a content type where the workflow named none. */
function bodyOf(
  data: ResponseData,
  headers: Record<string, string>,
  executionId: string,
): string | Uint8Array<ArrayBuffer> | null {
  const { body, bodyBase64 } = data;
  if (bodyBase64 !== undefined) {
    headers["content-type"] ??= "application/octet-stream";
    try {
      return decodeBase64(bodyBase64);
    } catch {
      throw invalidResponse("Cannot send the body: it is not valid base64", executionId);
    }
  }
  if (body === undefined) return null;
  if (typeof body === "string" && headers["content-type"] !== undefined) return body;
  headers["content-type"] ??= "application/json";
  return JSON.stringify(body);
}

function invalidResponse(message: string, executionId: string): MillraceError {
  return new MillraceError("invalid_response", message, { extensions: { executionId } });
}
