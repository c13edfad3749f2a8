/**
 * Whether a response may be stored, and whether what is stored may be used: the rules of RFC 9111 for a shared cache.
 */
import { parseCacheControl } from "./cache_control.ts";

/** How old a response was when it was stored, and for how long it may be used. Seconds. */
export interface Freshness {
  /** Its age when it was stored (section 4.2.3). */
  readonly age: number;
  /** The age until which it is fresh (section 4.2.1). */
  readonly lifetime: number;
  /** For how long it may be used after that, while somebody gets a new one (RFC 5861, section 3). */
  readonly staleFor: number;
}

/** How a stored response stands to a request. */
export type Usability = "fresh" | "stale" | "unusable";

/** Responses that may be stored though they say nothing of their lifetime (RFC 9110, section 15.1), 206 left out. */
const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** What decides over a response. */
export interface StoringOptions {
  /** Epoch milliseconds. */
  readonly now: number;
  /** The lifetime, in seconds, of what says nothing of its own (section 4.2.2). */
  readonly defaultLifetime: number;
  /** Stores what says nothing of its lifetime whatever its status: somebody asked for this very response to be stored. */
  readonly anyStatus: boolean;
}

/**
 * How long a response may be used, or `undefined` when it must not be stored (section 3).
 *
 * A response with `Set-Cookie` is not stored: what it sets is for one caller. One with `no-cache` neither, as nothing
 * here validates.
 */
export function freshnessOf(
  request: { readonly headers: Headers },
  response: { readonly status: number; readonly headers: Headers },
  options: StoringOptions,
): Freshness | undefined {
  const { now, defaultLifetime, anyStatus } = options;
  const { headers, status } = response;
  const control = parseCacheControl(headers.get("cache-control"));
  if (control.noStore || control.isPrivate || control.noCache || headers.has("set-cookie")) return undefined;
  if (parseCacheControl(request.headers.get("cache-control")).noStore) return undefined;
  // Section 3.5.
  const isShared = control.isPublic || control.mustRevalidate || control.sMaxAge !== undefined;
  if (request.headers.has("authorization") && !isShared) return undefined;

  const date = dateOf(headers.get("date"));
  const explicit = control.sMaxAge ?? control.maxAge ?? lifetimeByExpires(headers, date ?? now);
  if (explicit === undefined && !anyStatus && !control.isPublic && !HEURISTICALLY_CACHEABLE.has(status)) {
    return undefined;
  }
  const lifetime = explicit ?? defaultLifetime;
  const apparentAge = date === undefined ? 0 : Math.max(0, (now - date) / 1000);
  const age = Math.max(apparentAge, secondsOf(headers.get("age")));
  // With s-maxage as with must-revalidate, what is stale is not used (sections 5.2.2.2 and 5.2.2.10).
  const mayBeStale = !control.mustRevalidate && control.sMaxAge === undefined;
  const staleFor = mayBeStale ? control.staleWhileRevalidate ?? 0 : 0;
  return age < lifetime + staleFor ? { age, lifetime, staleFor } : undefined;
}

/** The age of a response that was stored so many milliseconds ago, in seconds. */
export function currentAge({ age }: Freshness, storedForMs: number): number {
  return age + Math.max(0, storedForMs) / 1000;
}

/** Whether a stored response may be used for a request now (sections 4.2 and 5.2.1). */
export function usabilityOf(
  request: { readonly headers: Headers },
  freshness: Freshness,
  storedForMs: number,
): Usability {
  const asked = parseCacheControl(request.headers.get("cache-control"));
  if (asked.noCache || asked.noStore) return "unusable";
  const age = currentAge(freshness, storedForMs);
  if (asked.maxAge !== undefined && age > asked.maxAge) return "unusable";
  const left = freshness.lifetime - age;
  if (left > 0) return left >= (asked.minFresh ?? 0) ? "fresh" : "unusable";
  if (asked.minFresh !== undefined) return "unusable";
  return -left < freshness.staleFor ? "stale" : "unusable";
}

/** `Expires` against `Date` (section 5.3): what is no date has expired. */
function lifetimeByExpires(headers: Headers, from: number): number | undefined {
  const field = headers.get("expires");
  if (field === null) return undefined;
  return Math.max(0, ((dateOf(field) ?? -Infinity) - from) / 1000);
}

function dateOf(field: string | null): number | undefined {
  if (field === null || !/^[A-Z][a-z]{2,8},? /.test(field)) return undefined;
  const ms = Date.parse(field);
  return Number.isNaN(ms) ? undefined : ms;
}

function secondsOf(field: string | null): number {
  return field !== null && /^\d{1,10}$/.test(field) ? Number(field) : 0;
}
