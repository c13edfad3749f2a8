/**
 * The names of the keys of caches. What belongs to one cache lies in the partition of its name, which stands in JSON: it
 * may be any string.
 */
import type { Keys } from "./keys.ts";
import type { CacheKeys } from "./scripts/cache_library.ts";

/** What a script about one cache touches. */
export function cacheKeys(keys: Keys, name: string): CacheKeys {
  const word = JSON.stringify(name);
  const base = keys.base(keys.partitionOf(word));
  return {
    order: `${base}cache-order:${word}`,
    expiry: `${base}cache-expiry:${word}`,
    sizes: `${base}cache-sizes:${word}`,
    entry: `${base}cache-entry:${word}:`,
    body: `${base}cache-body:`,
  };
}

/** A key that somebody has claimed for a while: who gets a stored response anew. */
export function cacheClaim(keys: Keys, name: string, word: string): string {
  return `${keys.base(keys.partitionOf(JSON.stringify(name)))}cache-claim:${word}`;
}

/** Sorted set of the names of caches, scored with when they were made (microseconds). */
export function cacheNames(keys: Keys): string {
  return `${keys.base(0)}caches`;
}

/** Hash of what became of lookups on a UTC day: `<what> <cache>` to how many. */
export function cacheDay(keys: Keys, day: string): string {
  return `${keys.base(0)}cache-day:${day}`;
}
