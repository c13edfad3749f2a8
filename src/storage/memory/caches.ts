/**
 * Caches in memory: those of one process. Each has a limit of bytes, and so have all of them together: past either, what
 * was stored first goes first.
 */
import { processClock } from "../../lib/clock.ts";
import type { CacheDay, CacheStore, FoundResponse, PutOptions, StoredResponse } from "../../caches/cache_store.ts";
import { MOST_VARIANTS } from "../store_rules.ts";

/** How many caches there may be; what has not been opened for longest goes. */
const MAX_CACHES = 1000;
/** How many days are counted, and how many claims are remembered. */
const MAX_DAYS = 35;
const MAX_CLAIMS = 10_000;

interface Kept {
  readonly response: StoredResponse;
  readonly bytes: readonly Uint8Array<ArrayBuffer>[] | null;
  /** By the process's clock. */
  readonly until: number;
  /** All that it takes. */
  readonly size: number;
}

/** How much there may be, in bytes. */
interface Limits {
  readonly limitBytes: number;
  /** Of all caches together. */
  readonly totalBytes: number;
}

/** What all caches keep, in the order in which it was stored. */
class AllResponses {
  readonly limits: Limits;
  readonly #caches = new Map<Kept, KeptResponses>();
  #size = 0;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  add(kept: Kept, cache: KeptResponses): void {
    this.#caches.set(kept, cache);
    this.#size += kept.size;
  }

  /** Lets the oldest go, from whatever cache, until the others fit. */
  bound(): void {
    for (const [oldest, cache] of this.#caches) {
      if (this.#size <= this.limits.totalBytes) return;
      cache.delete(oldest.response.id);
    }
  }

  gone(kept: Kept): void {
    if (this.#caches.delete(kept)) this.#size -= kept.size;
  }
}

/** What is kept of one cache, in the order in which it was stored. */
class KeptResponses {
  readonly #all: AllResponses;
  readonly #byId = new Map<string, Kept>();
  readonly #byUrl = new Map<string, Set<string>>();
  #size = 0;

  constructor(all: AllResponses) {
    this.#all = all;
  }

  /** The unexpired responses of one URL, or of all. */
  *current(url?: string): Iterable<Kept> {
    const now = processClock.now();
    for (const id of [...(url === undefined ? this.#byId.keys() : this.#byUrl.get(url) ?? [])]) {
      const kept = this.#byId.get(id)!;
      if (kept.until > now) yield kept;
      else this.delete(id);
    }
  }

  add(kept: Kept): void {
    const { id, url } = kept.response;
    this.#byId.set(id, kept);
    const ids = this.#byUrl.get(url) ?? new Set();
    this.#byUrl.set(url, ids.add(id));
    this.#size += kept.size;
    this.#all.add(kept, this);
    if (ids.size > MOST_VARIANTS) this.delete(ids.values().next().value!);
    for (const oldest of this.#byId.keys()) {
      if (this.#size <= this.#all.limits.limitBytes) break;
      this.delete(oldest);
    }
    this.#all.bound();
  }

  clear(): void {
    for (const id of [...this.#byId.keys()]) this.delete(id);
  }

  delete(id: string): boolean {
    const kept = this.#byId.get(id);
    if (kept === undefined) return false;
    const { url } = kept.response;
    this.#byId.delete(id);
    this.#size -= kept.size;
    this.#all.gone(kept);
    const ids = this.#byUrl.get(url)!;
    ids.delete(id);
    if (ids.size === 0) this.#byUrl.delete(url);
    return true;
  }
}

/** {@linkcode CacheStore} in memory. */
export class MemoryCaches implements CacheStore {
  readonly #caches = new Map<string, KeptResponses>();
  readonly #claims = new Map<string, number>();
  readonly #days = new Map<string, Map<string, CacheDay>>();
  readonly #all: AllResponses;

  constructor(limits: Limits) {
    this.#all = new AllResponses(limits);
  }

  open(name: string): Promise<void> {
    if (!this.#caches.has(name)) this.#caches.set(name, new KeptResponses(this.#all));
    if (this.#caches.size > MAX_CACHES) this.#drop(this.#caches.keys().next().value!);
    return Promise.resolve();
  }

  has(name: string): Promise<boolean> {
    return Promise.resolve(this.#caches.has(name));
  }

  drop(name: string): Promise<boolean> {
    return Promise.resolve(this.#drop(name));
  }

  names(): Promise<string[]> {
    return Promise.resolve([...this.#caches.keys()]);
  }

  find(name: string, url: string): Promise<FoundResponse[]> {
    return Promise.resolve([...this.#caches.get(name)?.current(url) ?? []].map(toFound));
  }

  async *list(name: string): AsyncIterable<readonly FoundResponse[]> {
    yield await Promise.resolve([...this.#caches.get(name)?.current() ?? []].map(toFound));
  }

  async put(
    name: string,
    response: StoredResponse,
    { body, ttlMs, replaces }: PutOptions & { body: AsyncIterable<Uint8Array> | null },
  ): Promise<void> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let bytes = 0;
    for await (const chunk of body ?? []) {
      // A copy: the caller may reuse its chunk.
      chunks.push(Uint8Array.from(chunk));
      bytes += chunk.length;
    }
    await this.open(name);
    const cache = this.#caches.get(name)!;
    for (const id of replaces) cache.delete(id);
    cache.add({
      response: body === null ? response : { ...response, bytes },
      bytes: body === null ? null : chunks,
      until: processClock.now() + ttlMs,
      size: bytes + JSON.stringify(response).length,
    });
  }

  remove(name: string, responses: readonly Pick<StoredResponse, "id" | "url">[]): Promise<number> {
    const cache = this.#caches.get(name);
    return Promise.resolve(responses.filter(({ id }) => cache?.delete(id)).length);
  }

  claim(name: string, word: string, forMs: number): Promise<boolean> {
    const now = processClock.now();
    const key = JSON.stringify([name, word]);
    if ((this.#claims.get(key) ?? 0) > now) return Promise.resolve(false);
    this.#claims.delete(key);
    this.#claims.set(key, now + forMs);
    if (this.#claims.size > MAX_CLAIMS) this.#claims.delete(this.#claims.keys().next().value!);
    return Promise.resolve(true);
  }

  count(counts: readonly CacheDay[]): Promise<void> {
    for (const more of counts) {
      const day = this.#days.get(more.day) ?? new Map<string, CacheDay>();
      const before = day.get(more.cache) ?? { hits: 0, misses: 0, stale: 0, bytes: 0 };
      day.set(more.cache, {
        ...more,
        hits: before.hits + more.hits,
        misses: before.misses + more.misses,
        stale: before.stale + more.stale,
        bytes: before.bytes + more.bytes,
      });
      this.#days.set(more.day, day);
      if (this.#days.size > MAX_DAYS) this.#days.delete(this.#days.keys().next().value!);
    }
    return Promise.resolve();
  }

  counts(days: readonly string[]): Promise<CacheDay[]> {
    return Promise.resolve(days.flatMap((day) => [...this.#days.get(day)?.values() ?? []]));
  }

  #drop(name: string): boolean {
    this.#caches.get(name)?.clear();
    return this.#caches.delete(name);
  }
}

function toFound({ response, bytes }: Kept): FoundResponse {
  return {
    response,
    body: () => {
      if (bytes === null) return null;
      let next = 0;
      return new ReadableStream({
        pull: (controller) => {
          const chunk = bytes[next++];
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk.slice());
        },
      });
    },
  };
}
