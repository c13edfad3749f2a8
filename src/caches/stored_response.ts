/**
 * Converts requests and responses into their stored form and back.
 */
import { isCredentialHeader } from "../lib/credentials.ts";
import type { FoundResponse, StoredResponse } from "./cache_store.ts";
import { currentAge, type Freshness } from "./freshness.ts";
import { varyOf } from "./vary.ts";

/** Largest header fields of a request and its response together, in bytes. */
const MAX_HEADER_BYTES = 65_536;

/** The URL that a response is stored under: that of the request, without its fragment. */
export function storedUrl(request: Request): string {
  const { url } = request;
  const end = url.indexOf("#");
  return end < 0 ? url : url.slice(0, end);
}

/** The stored form of a response, without its body. Throws a `QuotaExceededError` when its fields are too large. */
export async function toStored(
  request: Request,
  response: Response,
  options: { freshness: Freshness; storedAt: number },
): Promise<StoredResponse> {
  const headers = [...response.headers];
  // `keys()` must not show the credentials of those who asked.
  const requestHeaders = [...request.headers].filter(([name]) => !isCredentialHeader(name));
  const size = [...headers, ...requestHeaders].reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (size > MAX_HEADER_BYTES) throw notCached(`its fields have more than ${MAX_HEADER_BYTES} bytes`);
  return {
    id: crypto.randomUUID(),
    url: storedUrl(request),
    requestHeaders,
    vary: await varyOf(request.headers, response.headers),
    status: response.status,
    statusText: response.statusText,
    headers,
    bytes: response.body === null ? null : 0,
    storedAt: options.storedAt,
    ...options.freshness,
  };
}

/** The stored response as a `Response`, with its `Age` (RFC 9111, section 5.1). */
export function toResponse({ response: stored, body }: FoundResponse, now: number): Response {
  const { status, statusText } = stored;
  const response = new Response(body(), { status, statusText, headers: stored.headers as [string, string][] });
  response.headers.set("age", String(Math.floor(currentAge(stored, now - stored.storedAt))));
  return response;
}

/** The request that a response was stored under. */
export function toRequest({ url, requestHeaders }: StoredResponse): Request {
  return new Request(url, { headers: requestHeaders as [string, string][] });
}

/** The error for a response for which there is no room. */
export function notCached(why: string): DOMException {
  return new DOMException(`The response is not cached: ${why}`, "QuotaExceededError");
}
