/** The node type `httpRequest`: sends an HTTP request and reads the answer. */
import { z } from "zod";
import { scrub } from "../lib/credentials.ts";
import { NodeError, RetryableError, TerminalError } from "../lib/errors.ts";
import { causesOf, reasonOf } from "../lib/reason.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import type { NodeContext } from "../workflow/definition.ts";
import { pointerSegment } from "../expression/template.ts";
import type { Caches } from "../caches/caches.ts";
import { createCachedFetch } from "./cached_fetch.ts";
import { fetchFollowing } from "./follow_redirects.ts";
import { DEPTH_HEADER } from "../lib/header.ts";
import type { NodeType } from "../workflow/node_type.ts";
import { checkHeaders, jsonSchema, objectSchema, sendableValues } from "./parameter.ts";
import { parseBody, readBody } from "./response_body.ts";

const DEFAULT_MAX_BYTES = 4 << 20;
const LIMIT_BYTES = 32 << 20;

/**
 * Statuses below 500 for which another try may help (RFC 9110, section 15.5.9; RFC 8470, section 5.2; RFC 6585, section
 * 4).
 */
const RETRYABLE = new Set([408, 425, 429]);

const rangeSchema = z.union([
  z.number().int().min(100).max(599),
  z.string().regex(/^[1-5]\d\d(-[1-5]\d\d)?$/),
], { error: `must be a status such as 404 or a range such as "400-499"` });

const parameters = z.strictObject({
  url: z.string().min(1).max(8192),
  method: z.string().toUpperCase().regex(/^[A-Z]{1,20}$/, "must be an HTTP method")
    .refine((method) => !["CONNECT", "TRACE", "TRACK"].includes(method), "is not supported").default("GET"),
  query: objectSchema.default(() => ({})),
  headers: objectSchema.default(() => ({})),
  body: jsonSchema.optional(),
  timeoutSeconds: z.number().positive().max(3600).default(30),
  maxBytes: z.number().int().min(1).max(LIMIT_BYTES).default(DEFAULT_MAX_BYTES),
  acceptStatus: z.union([z.literal(true), z.array(rangeSchema).max(100)], {
    error: `must be true or a list of statuses such as 404 and ranges such as "400-499"`,
  }).default(() => []),
  cache: z.strictObject({ ttlSeconds: z.number().int().min(1).max(86_400).optional() }).optional(),
});

/** Options of {@linkcode createHttpRequest}. */
export interface HttpRequestOptions {
  /** Makes outgoing calls; see `guarded_fetch.ts`. Required. */
  readonly fetch: typeof globalThis.fetch;
  /** Bytes that are read at most, whatever `maxBytes`. Default 32 MiB. */
  readonly maxOutputBytes?: number;
  /** Where nodes with `cache` keep answers; without it they call each time. */
  readonly caches?: Pick<Caches, "respond"> | undefined;
}

/**
 * Makes the node type `httpRequest`. It fails with `invalid_url`, `invalid_header`, `http_blocked`, `http_status`,
 * `http_timeout`, `http_error`, `depth_exceeded`, `response_too_large`, `response_too_deep` or `output_not_json`.
 * Retryable are `http_timeout`, `http_error`, and `http_status` from 500 on and for 408, 425 and 429.
 */
export function createHttpRequest(options: HttpRequestOptions): NodeType<z.infer<typeof parameters>> {
  const { fetch, maxOutputBytes = LIMIT_BYTES, caches } = options;
  return {
    type: "httpRequest",
    hasSideEffects: true,
    callsOut: true,
    parameters,
    compile(parameters, tools) {
      const { method, body, timeoutSeconds, acceptStatus, cache } = parameters;
      const maxBytes = Math.min(parameters.maxBytes, maxOutputBytes);
      if (body !== undefined && (method === "GET" || method === "HEAD")) {
        tools.fault("/body", `must not be given with the method ${method}`);
      }
      if (cache !== undefined && method !== "GET" && method !== "HEAD") {
        tools.fault("/cache", `must not be given with the method ${method}`);
      }
      checkHeaders(parameters.headers, tools);
      const chosen = new Set<string>();
      for (const name of Object.keys(parameters.headers)) {
        chosen.add(name.toLowerCase());
        if (name.toLowerCase() === DEPTH_HEADER) tools.fault(`/headers${pointerSegment(name)}`, "is counted alone");
      }
      const urlTemplate = tools.template(parameters.url, "/url");
      const queryTemplate = tools.template(parameters.query, "/query");
      const headersTemplate = tools.template(parameters.headers, "/headers");
      const bodyTemplate = body === undefined ? undefined : tools.template(body, "/body");
      return async (context) => {
        const { scope, progress, beforeCall } = context;
        const url = toUrl(await urlTemplate(scope), await queryTemplate(scope) as JsonObject);
        const headers = toHeaders(await headersTemplate(scope) as JsonObject, context);
        const content = bodyTemplate === undefined ? undefined : toContent(await bodyTemplate(scope), headers);
        // Not `AbortSignal.timeout`, whose timer would run on after the answer.
        const late = new AbortController();
        const timer = setTimeout(() => {
          const message = `No answer came within ${timeoutSeconds} s`;
          late.abort(new RetryableError("http_timeout", message, { detail: `No answer of ${placeOf(url)}` }));
        }, timeoutSeconds * 1000);
        const signal = AbortSignal.any([context.signal, late.signal]);
        const check = async (response: Response) => {
          if (isAccepted(response.status, acceptStatus)) return;
          await response.body?.cancel();
          throw statusError(response.status, url);
        };
        const calling = beforeCall === undefined ? fetch : async (...request: Parameters<typeof fetch>) => {
          await beforeCall();
          return await fetch(...request);
        };
        const cached = cache && caches && createCachedFetch(fetch, {
          caches,
          name: `httpRequest:${scope.execution.workflowId}`,
          ttlSeconds: cache.ttlSeconds ?? 0,
          maxBytes,
          timeoutMs: timeoutSeconds * 1000,
          chosen,
          check,
          progress,
          beforeCall,
        });
        try {
          const request = { method, headers, body: content, signal };
          const response = await fetchFollowing(cached ?? calling, url, request);
          await check(response);
          const bytes = await readBody(response, { maxBytes, signal, progress });
          const body = parseBody(bytes, response.headers);
          return { output: { status: response.status, headers: responseHeaders(response), body } };
        } catch (error) {
          // After an abort the signal's reason tells more than the error of `fetch`.
          signal.throwIfAborted();
          throw toNodeError(error, url);
        } finally {
          clearTimeout(timer);
        }
      };
    },
  };
}

function toUrl(value: JsonValue, query: JsonObject): URL {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TerminalError("invalid_url", "Cannot call what is no absolute URL with http or https", {
      detail: `Cannot call ${scrub(JSON.stringify(value)).slice(0, 200)}`,
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw new TerminalError("invalid_url", "Cannot call a URL with credentials in it: use a header", {
      detail: `Cannot call ${placeOf(url)} with credentials in the URL`,
    });
  }
  for (const [name, item] of Object.entries(query)) {
    for (const each of Array.isArray(item) ? item : [item]) {
      if (each !== null) url.searchParams.append(name, typeof each === "object" ? JSON.stringify(each) : String(each));
    }
  }
  return url;
}

function toHeaders(values: JsonObject, context: NodeContext): Headers {
  const headers = new Headers({
    "idempotency-key": context.idempotencyKey,
    traceparent: context.traceparent,
    [DEPTH_HEADER]: String(depthOf(context.scope.trigger) + 1),
  });
  for (const [name, value] of Object.entries(values)) {
    const items = sendableValues(name, value);
    headers.delete(name);
    for (const item of items) headers.append(name, item);
  }
  return headers;
}

/** The `millrace-depth` with which the webhook that started this execution was called. */
function depthOf(trigger: JsonValue): number {
  const headers = isJsonObject(trigger) ? trigger["headers"] : undefined;
  const text = isJsonObject(headers) ? headers[DEPTH_HEADER] : undefined;
  return typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : 0;
}

/** A string is sent unchanged, anything else as JSON; `null` is no body. */
function toContent(value: JsonValue, headers: Headers): string | undefined {
  if (value === null) return undefined;
  if (typeof value === "string") {
    if (!headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
    return value;
  }
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return JSON.stringify(value);
}

function isAccepted(status: number, accept: true | readonly (number | string)[]): boolean {
  if (status < 400 || accept === true) return true;
  return accept.some((item) => {
    const [from, to = from] = String(item).split("-").map(Number);
    return from !== undefined && to !== undefined && status >= from && status <= to;
  });
}

function statusError(status: number, url: URL): NodeError {
  // Terminal at every depth: otherwise each level would multiply the tries of the level below.
  if (status === 508) {
    return new TerminalError("depth_exceeded", "Workflows call each other in a circle", {
      detail: `${placeOf(url)} answered with the status 508`,
    });
  }
  const Kind = status >= 500 || RETRYABLE.has(status) ? RetryableError : TerminalError;
  return new Kind("http_status", "The answer has a status that is not accepted", {
    detail: `${placeOf(url)} answered with the status ${status}`,
  });
}

function responseHeaders(response: Response): JsonObject {
  const headers: JsonObject = {};
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie" && name !== "__proto__") headers[name] = value;
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  return headers;
}

/** The first {@linkcode NodeError} among the causes, else `http_error`. */
function toNodeError(error: unknown, url: URL): unknown {
  const own = causesOf(error).find((cause) => cause instanceof NodeError);
  if (own !== undefined) return own;
  return new RetryableError("http_error", "The call failed", {
    detail: `Cannot call ${placeOf(url)}: ${reasonOf(error)}`,
    cause: error,
  });
}

/**
 * The part of a URL that operators may see. Queries may hold credentials, and so may long segments, as in chat
 * webhooks.
 */
function placeOf({ origin, pathname }: URL): string {
  const path = pathname.slice(0, 500).split("/").map((segment) =>
    /^(?=.*\d)[^/]{20,}$/.test(segment) ? "***" : segment
  );
  return origin + path.join("/");
}
