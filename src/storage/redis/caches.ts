/**
 * Caches on Redis.
 *
 * A body is written first, under a name that nobody knows and that expires; then one script makes the response known
 * and lets go what it replaces. A body stays for a minute after its response was removed, so that whoever reads it
 * comes to its end.
 */
import { createHash } from "node:crypto";
import type {
  CacheCounts,
  CacheDay,
  CacheStore,
  FoundResponse,
  PutOptions,
  StoredResponse,
} from "../../caches/cache_store.ts";
import { notCached } from "../../caches/stored_response.ts";
import type { Clock } from "../../lib/clock.ts";
import { MOST_VARIANTS } from "../store_rules.ts";
import { readBody, streamOf, writeBody } from "./cached_body.ts";
import type { RedisConnection, Reply } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Keys } from "./keys.ts";
import { cacheClaim, cacheDay, cacheKeys, cacheNames } from "./cache_keys.ts";
import { countCached } from "./scripts/count_cached.ts";
import { dropCached } from "./scripts/drop_cached.ts";
import { openCache } from "./scripts/open_cache.ts";
import { putCached } from "./scripts/put_cached.ts";

/** How long the names of caches are remembered without any being used, in milliseconds, and how many there may be. */
const NAMES_MS = 40 * 86_400_000;
const MAX_NAMES = 10_000;
/** How long counts are kept, in seconds. */
const DAYS_SECONDS = 35 * 86_400;
/** How many responses a page has, and how many are removed by one script. */
const PAGE = 100;

/** What the caches are made of. */
export interface RedisCachesOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** Not the one for commands: what is read and written may be large. */
  readonly connection: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Keeps the room that executions need from being filled by answers that could be had anew. */
  readonly memory: MemoryWatch;
  /** The most bytes of one cache. */
  readonly limitBytes: number;
}

/** {@linkcode CacheStore} on Redis. */
export class RedisCaches implements CacheStore {
  readonly #options: RedisCachesOptions;

  constructor(options: RedisCachesOptions) {
    this.#options = options;
  }

  async open(name: string): Promise<void> {
    const { keys, connection } = this.#options;
    // The contents of forgotten caches expire by themselves.
    const bounds = { ttlMs: NAMES_MS, most: MAX_NAMES };
    await openCache(connection, { keys: { names: cacheNames(keys) }, name: JSON.stringify(name), ...bounds });
  }

  async has(name: string): Promise<boolean> {
    const { keys, connection } = this.#options;
    return await connection.send(["ZSCORE", cacheNames(keys), JSON.stringify(name)]) !== null;
  }

  async drop(name: string): Promise<boolean> {
    const { keys, connection } = this.#options;
    const removed = await connection.send(["ZREM", cacheNames(keys), JSON.stringify(name)]);
    while (await dropCached(connection, { keys: cacheKeys(keys, name), members: PAGE }) === PAGE);
    return removed === 1;
  }

  async names(): Promise<string[]> {
    const { keys, connection } = this.#options;
    const names = await connection.send<string[]>(["ZRANGE", cacheNames(keys), "0", "-1"]);
    return names.map((name) => JSON.parse(name));
  }

  async find(name: string, url: string): Promise<FoundResponse[]> {
    const { keys, connection, clock } = this.#options;
    const cache = cacheKeys(keys, name);
    const fields = await connection.sendForBytes<Uint8Array[]>(["HGETALL", cache.entry + digestOf(url)]);
    const words = new Map<string, Uint8Array>();
    for (let at = 0; at < fields.length; at += 2) words.set(String(fields[at]), fields[at + 1]!);
    const found: FoundResponse[] = [];
    for (const [word, value] of words) {
      if (!word.startsWith("m:")) continue;
      const { until, ...response } = JSON.parse(String(value)) as Kept;
      if (until > clock.now()) found.push(this.#found(name, response, words.get(`b:${response.id}`)));
    }
    return found.length > 1 ? await this.#inOrder(cache.order, found) : found;
  }

  async *list(name: string): AsyncIterable<readonly FoundResponse[]> {
    const { keys, connection, clock } = this.#options;
    const { order, entry } = cacheKeys(keys, name);
    for (let after = "-inf";;) {
      const range = ["ZRANGE", order, after, "+inf", "BYSCORE", "LIMIT", "0", String(PAGE), "WITHSCORES"];
      const words = await connection.send<string[]>(range);
      if (words.length === 0) return;
      after = `(${words.at(-1)}`;
      const members = words.filter((_, at) => at % 2 === 0).map((member) => member.split(" ") as [string, string]);
      const texts = await Promise.all(
        members.map(([digest, id]) => connection.send<string | null>(["HGET", entry + digest, `m:${id}`])),
      );
      yield texts.flatMap((text) => {
        if (text === null) return [];
        const { until, ...response } = JSON.parse(text) as Kept;
        return until > clock.now() ? [this.#found(name, response)] : [];
      });
    }
  }

  async put(
    name: string,
    response: StoredResponse,
    { body, ttlMs, replaces }: PutOptions & { body: AsyncIterable<Uint8Array> | null },
  ): Promise<void> {
    const { keys, connection, clock, limitBytes } = this.#options;
    const cache = cacheKeys(keys, name);
    const digest = digestOf(response.url);
    const makeRoom = (bytes: number) => this.#makeRoom(bytes);
    const key = cache.body + response.id;
    const written = body === null ? undefined : await writeBody(body, { connection, key, makeRoom });
    const kept: Kept = {
      ...response,
      bytes: written?.bytes ?? null,
      until: clock.now() + ttlMs,
      ...(written?.inline === undefined && written !== undefined && { apart: true }),
    };
    const text = JSON.stringify(kept);
    makeRoom(text.length);
    await this.open(name);
    await putCached(connection, {
      keys: cache,
      member: `${digest} ${response.id}`,
      replaces: replaces.map((id) => `${digest} ${id}`),
      response: text,
      body: written === undefined ? Buffer.alloc(0) : written.inline,
      size: text.length + (written?.bytes ?? 0),
      ttlMs,
      limitBytes,
      variants: MOST_VARIANTS,
    });
  }

  async remove(name: string, responses: readonly Pick<StoredResponse, "id" | "url">[]): Promise<number> {
    const { keys, connection } = this.#options;
    let count = 0;
    for (let at = 0; at < responses.length; at += PAGE) {
      const members = responses.slice(at, at + PAGE).map(({ id, url }) => `${digestOf(url)} ${id}`);
      count += await dropCached(connection, { keys: cacheKeys(keys, name), members });
    }
    return count;
  }

  async claim(name: string, word: string, forMs: number): Promise<boolean> {
    const { keys, connection } = this.#options;
    return await connection.send(["SET", cacheClaim(keys, name, word), "1", "NX", "PX", String(forMs)]) === "OK";
  }

  async count(counts: readonly CacheDay[]): Promise<void> {
    const { keys, connection } = this.#options;
    for (const { cache, day, ...more } of counts) {
      const words = Object.entries(more).map(([what, value]) => [`${what} ${JSON.stringify(cache)}`, value] as const);
      await countCached(connection, {
        keys: { day: cacheDay(keys, day) },
        ttlSeconds: DAYS_SECONDS,
        counts: new Map(words),
      });
    }
  }

  async counts(days: readonly string[]): Promise<CacheDay[]> {
    const { keys, connection } = this.#options;
    const found = await Promise.all(days.map(async (day) => {
      const words = await connection.send<string[]>(["HGETALL", cacheDay(keys, day)]);
      const byCache = new Map<string, Record<string, number>>();
      for (let at = 0; at < words.length; at += 2) {
        const [, what = "", name = ""] = /^(\w+) (.*)$/s.exec(words[at]!) ?? [];
        const cache = JSON.parse(name) as string;
        byCache.set(cache, { ...byCache.get(cache), [what]: Number(words[at + 1]) });
      }
      return [...byCache].map(([cache, counts]): CacheDay => ({ ...NONE, ...counts, cache, day }));
    }));
    return found.flat();
  }

  /** Counts what is written. */
  #makeRoom(bytes: number): void {
    const { memory } = this.#options;
    if (!memory.hasRoomFor(bytes, { spare: true })) throw notCached("Redis has no room for it at the moment");
    memory.count(bytes);
  }

  #found(name: string, { apart = false, ...response }: Omit<Kept, "until">, inline?: Uint8Array): FoundResponse {
    const { keys, connection } = this.#options;
    const { entry, body } = cacheKeys(keys, name);
    const { id, url, bytes } = response;
    return {
      response,
      body: () => {
        if (bytes === null) return null;
        if (inline !== undefined) return streamOf(inline);
        return readBody(
          connection,
          apart ? { key: body + id, bytes } : { key: entry + digestOf(url), field: `b:${id}` },
        );
      },
    };
  }

  /** In the order in which they were stored, which their hash does not keep. */
  async #inOrder(order: string, found: readonly FoundResponse[]): Promise<FoundResponse[]> {
    const members = found.map(({ response: { id, url } }) => `${digestOf(url)} ${id}`);
    const scores = await this.#options.connection.send<Reply[]>(["ZMSCORE", order, ...members]);
    return found.map((it, at) => ({ it, score: Number(scores[at] ?? 0) })).sort((a, b) => a.score - b.score)
      .map(({ it }) => it);
  }
}

/** A response as it is kept. */
interface Kept extends StoredResponse {
  /** When it lapses: epoch milliseconds. */
  readonly until: number;
  /** Its body stands by itself. */
  readonly apart?: boolean;
}

const NONE: CacheCounts = { hits: 0, misses: 0, stale: 0, bytes: 0 };

function digestOf(url: string): string {
  return createHash("sha256").update(url).digest("base64url");
}
