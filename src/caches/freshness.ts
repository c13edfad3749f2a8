/**
 * Whether a response may be stored, and whether what is stored may be used: the rules of RFC 9111 for a shared cache.
 */
import { parseCacheControl } from "./cache_control.ts";

/** The age of a response when it was stored, and how long it may be used, in seconds. */
export interface Freshness {
  /** Age when it was stored (section 4.2.3). */
  readonly age: number;
  /** The age until which it is fresh (section 4.2.1). */
  readonly lifetime: number;
  /** How much longer it may be used while it is revalidated (RFC 5861, section 3). */
  readonly staleFor: number;
}

/** Whether a stored response may answer a request. */
export type Usability = "fresh" | "stale" | "unusable";

/** Statuses of responses that may be stored without a lifetime of their own (RFC 9110, section 15.1), except 206. */
const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Options of {@linkcode freshnessOf}. */
export interface StoringOptions {
  /** Epoch milliseconds. */
  readonly now: number;
  /** Lifetime of responses without one of their own, in seconds (section 4.2.2). */
  readonly defaultLifetime: number;
  /** True: responses without a lifetime of their own are stored whatever their status, as `put` demands. */
  readonly anyStatus: boolean;
}

/**
 * The freshness of a response, or `undefined` when it must not be stored (section 3).
 *
 * Responses with `Set-Cookie` are not stored, since a cookie is meant for one caller; nor are those with `no-cache`,
 * since this cache cannot validate.
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
  // With s-maxage as with must-revalidate, what is stale is not used (sections 5.2.2.2, 5.2.2.8 and 5.2.2.10).
  const mayBeStale = !control.mustRevalidate && !control.proxyRevalidate && control.sMaxAge === undefined;
  const staleFor = mayBeStale ? control.staleWhileRevalidate ?? 0 : 0;
  return age < lifetime + staleFor ? { age, lifetime, staleFor } : undefined;
}

/** The current age, in seconds, of a response that was stored `storedForMs` milliseconds ago. */
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

/** The lifetime by `Expires` and `Date` (section 5.3), in seconds; an invalid date counts as expired. */
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
