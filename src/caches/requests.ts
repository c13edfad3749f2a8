/**
 * Which requests can be looked up and stored, and which match (Service Workers, section 5.4 and appendix A).
 */
import type { FoundResponse } from "./cache_store.ts";
import { storedUrl } from "./stored_response.ts";
import { matchesVary, varyNames } from "./vary.ts";

/** Request matches cached item (Service Workers, appendix A). */
export async function matchesRequest(
  request: Request,
  { response }: FoundResponse,
  { ignoreSearch = false, ignoreVary = false }: CacheQueryOptions,
): Promise<boolean> {
  const without = (url: string) => ignoreSearch ? url.replace(/\?.*$/s, "") : url;
  if (without(storedUrl(request)) !== without(response.url)) return false;
  return ignoreVary || await matchesVary(response.vary, request.headers);
}

/** The request to look up; `undefined` for a method other than those that responses are stored under. */
export function toLookedFor(
  input: RequestInfo | URL,
  { ignoreMethod = false }: CacheQueryOptions,
): Request | undefined {
  const request = toRequestObject(input);
  return request.method === "GET" || ignoreMethod ? request : undefined;
}

/** The request to store a response under. Throws a `TypeError` when none can be stored under it. */
export function toStorable(input: RequestInfo | URL): Request {
  const request = toRequestObject(input);
  if (!/^https?:/.test(request.url)) {
    throw new TypeError(`Only requests by HTTP can be cached: received ${request.url}`);
  }
  if (request.method !== "GET") throw new TypeError(`Only GET can be cached: received ${request.method}`);
  return request;
}

function toRequestObject(input: RequestInfo | URL): Request {
  if (input === undefined || input === null) throw new TypeError("Expected a request or a URL");
  return typeof input === "object" && "headers" in input ? input : new Request(String(input));
}

/** Throws a `TypeError` for a response that `put()` of `Cache` refuses. */
export function checkResponse(response: Response): void {
  // Not `instanceof`: some servers have a Response class of their own.
  if (typeof response?.status !== "number" || typeof response.arrayBuffer !== "function") {
    throw new TypeError(`Expected a Response: received ${response === null ? "null" : typeof response}`);
  }
  if (!mayBeStored(response)) {
    throw new TypeError(
      "A response that is partial (206), an error, or varies by everything (Vary: *) cannot be cached",
    );
  }
  if (response.bodyUsed || response.body?.locked) throw new TypeError("The body of the response was used before");
}

/** Throws an `InvalidStateError` when one request would replace another (Batch Cache Operations, step 5.2). */
export function refuseDuplicates(requests: readonly Request[], responses: readonly Response[]): void {
  for (const [at, request] of requests.entries()) {
    for (let before = 0; before < at; before++) {
      if (storedUrl(requests[before]!) !== storedUrl(request)) continue;
      const names = varyNames(responses[before]!.headers);
      if (names.every((name) => requests[before]!.headers.get(name) === request.headers.get(name))) {
        throw new DOMException(`${request.url} was given twice`, "InvalidStateError");
      }
    }
  }
}

/** False for responses that no cache stores: partial ones, network errors, and `Vary: *`. */
export function mayBeStored({ status, headers }: Response): boolean {
  return status >= 200 && status !== 206 && !varyNames(headers).includes("*");
}
