/**
 * `Cache-Status` (RFC 9211): how an answer was had from the cache.
 *
 * @example
 * ```ts
 * cacheStatus({ lookup: "hit", ttl: 30 }); // "Millrace; hit; ttl=30"
 * ```
 */
import type { CacheStatus } from "./read_through.ts";

/** The field's value. A stale answer is a hit whose time to live is over (section 2.4). */
export function cacheStatus({ lookup, ttl, stored = false, collapsed = false }: CacheStatus): string {
  const parts = lookup === "miss" ? ["fwd=miss"] : collapsed ? ["fwd=miss", "collapsed"] : ["hit"];
  if (ttl !== undefined) parts.push(`ttl=${ttl}`);
  if (stored) parts.push("stored");
  return ["Millrace", ...parts].join("; ");
}

/** The value for a request that goes by the cache. */
export const BYPASSED = "Millrace; fwd=bypass";
