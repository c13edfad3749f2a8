/**
 * Counts lookups by cache and day in memory, and adds the counts to the store's every few seconds.
 *
 * @example
 * ```ts
 * await using counter = new CacheCounter({ store: store.caches, now: () => store.clock.now() });
 * counter.add("pages", "hit", 512);
 * ```
 */
import type { Lookup } from "./cache.ts";
import type { CacheCounts, CacheDay, CacheStore } from "./cache_store.ts";

/** Interval at which counts are added to the store's, in milliseconds. */
const EVERY_MS = 5000;
/** The most caches that are counted separately in one interval; further ones are counted under one name. */
const MAX_CACHES = 200;
const OTHERS = "(others)";
const DAY_MS = 86_400_000;

const NONE: CacheCounts = { hits: 0, misses: 0, stale: 0, bytes: 0 };

/** Options of {@linkcode CacheCounter}. */
export interface CacheCounterOptions {
  /** Where the counts are added up, by cache and day. */
  readonly store: CacheStore;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called with the error when counts could not be added and are lost; by default nobody is told. */
  readonly onError?: (error: unknown) => void;
}

/** Counts lookups. */
export class CacheCounter implements AsyncDisposable {
  readonly #options: CacheCounterOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #counts = new Map<string, CacheDay>();

  constructor(options: CacheCounterOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.flush(), EVERY_MS);
  }

  /** Counts a lookup. */
  add(cache: string, lookup: Lookup, bytes: number): void {
    const day = utcDay(this.#options.now());
    const name = this.#counts.size < MAX_CACHES || this.#counts.has(`${day} ${cache}`) ? cache : OTHERS;
    const before = this.#counts.get(`${day} ${name}`) ?? NONE;
    this.#counts.set(`${day} ${name}`, {
      cache: name,
      day,
      hits: before.hits + (lookup === "hit" ? 1 : 0),
      misses: before.misses + (lookup === "miss" ? 1 : 0),
      stale: before.stale + (lookup === "stale" ? 1 : 0),
      bytes: before.bytes + bytes,
    });
  }

  /** Adds the counts since the last flush to the store's. */
  async flush(): Promise<void> {
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    if (counts.length === 0) return;
    await this.#options.store.count(counts).catch((error) => this.#options.onError?.(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}

/** The counts of a day, and the ratio of lookups that were answered from the cache; `null` without lookups. */
export interface ShownCacheDay extends CacheDay {
  readonly hitRate: number | null;
}

/** The counts of the last days, today included, ordered by cache and then by day. */
export async function readCacheDays(
  store: CacheStore,
  { now, days }: { now: number; days: number },
): Promise<ShownCacheDay[]> {
  const wanted = Array.from({ length: days }, (_, ago) => utcDay(now - ago * DAY_MS));
  const found = (await store.counts(wanted)).map((counts) => {
    const { hits, misses, stale } = counts;
    const lookups = hits + misses + stale;
    return { ...counts, hitRate: lookups === 0 ? null : (hits + stale) / lookups };
  });
  return found.sort((a, b) => a.cache === b.cache ? (a.day < b.day ? -1 : 1) : (a.cache < b.cache ? -1 : 1));
}

function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
