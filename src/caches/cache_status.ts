/**
 * `Cache-Status` (RFC 9211): how a cache handled a request.
 *
 * @example
 * ```ts
 * cacheStatus({ lookup: "hit", ttl: 30 }); // "Millrace; hit; ttl=30"
 * ```
 */
import type { CacheStatus } from "./read_through.ts";

/** Formats the field. A stale response is a hit with a negative `ttl` (section 2.4). */
export function cacheStatus({ lookup, ttl, stored = false, collapsed = false }: CacheStatus): string {
  const parts = lookup === "miss" ? ["fwd=miss"] : collapsed ? ["fwd=miss", "collapsed"] : ["hit"];
  if (ttl !== undefined) parts.push(`ttl=${ttl}`);
  if (stored) parts.push("stored");
  return ["Millrace", ...parts].join("; ");
}

/** The value for a request that bypasses the cache. */
export const BYPASSED = "Millrace; fwd=bypass";
