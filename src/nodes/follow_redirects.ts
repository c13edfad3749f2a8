/**
 * Follows redirects as the Fetch standard does (section 4.4, HTTP-redirect fetch), with a stricter rule for another
 * origin: only headers of a fixed list are sent there. The standard drops `authorization` and `cookie` alone, but keys
 * and signatures have other names too.
 */
import { RetryableError } from "../lib/errors.ts";
import type { CachedFetch } from "./cached_fetch.ts";

/** A request for {@linkcode fetchFollowing}. */
export interface FollowedRequest {
  /** In upper case. */
  readonly method: string;
  readonly headers: Headers;
  /** Default no body. */
  readonly body?: string | undefined;
  /** Ends the call, whichever redirect it is at. */
  readonly signal: AbortSignal;
}

const MAX_REDIRECTS = 20;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Headers that describe the body, and are dropped with it (Fetch, section 2.2.2). */
const OF_THE_BODY = ["content-encoding", "content-language", "content-location", "content-type"];

/** Headers that are sent to another origin too. `millrace-depth` is needed where the call leads back to Millrace. */
const FOR_ANYONE: ReadonlySet<string> = new Set([
  ...OF_THE_BODY,
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "millrace-depth",
  "range",
  "user-agent",
]);

/**
 * Sends a request and follows at most 20 redirects. Rejects as `fetch` does, and with a `RetryableError` after more.
 */
export async function fetchFollowing(
  fetch: typeof globalThis.fetch | CachedFetch,
  start: URL,
  request: FollowedRequest,
): Promise<Response> {
  const headers = new Headers(request.headers);
  let { method, body } = request;
  let url = start;
  for (let redirects = 0;; redirects++) {
    const init = { method, headers, signal: request.signal, redirect: "manual" as const };
    const response = await fetch(url.href, body === undefined ? init : { ...init, body });
    const location = response.headers.get("location");
    if (!REDIRECTS.has(response.status) || location === null) return response;
    await response.body?.cancel();
    if (redirects === MAX_REDIRECTS) throw failed(`more than ${MAX_REDIRECTS} redirects`);
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    if (next === undefined || !/^https?:$/.test(next.protocol)) throw failed("a redirect to what is no URL with http");
    if (next.username !== "" || next.password !== "") throw failed("a redirect to a URL with credentials in it");
    const { status } = response;
    if ((status === 303 && method !== "GET" && method !== "HEAD") || (status < 303 && method === "POST")) {
      method = "GET";
      body = undefined;
      for (const name of OF_THE_BODY) headers.delete(name);
    }
    if (next.origin !== url.origin) {
      for (const name of [...headers.keys()]) if (!FOR_ANYONE.has(name)) headers.delete(name);
    }
    url = next;
  }
}

function failed(what: string): RetryableError {
  return new RetryableError("http_error", "The call failed", { detail: `It met ${what}` });
}
