/**
 * Reads through a cache: answers from it, or calls once for all concurrent requests that miss.
 *
 * Invariants:
 * 1. Of concurrent misses on this instance one calls. The others wait until it is stored, then look it up with their own
 *    header fields, since responses may vary. A lock does the same across instances.
 * 2. A response that may not be stored answers one request only: those that waited then call for themselves, at once.
 * 3. A stale response that may still be used is returned at once, while one caller revalidates it; or none, where the turn
 *    of such a call has not come.
 * 4. Errors of the cache fail no request: when a lookup or storing fails, the answer comes from the call.
 * 5. Nobody waits longer for the call of another than it may: past that it calls for itself.
 */
import { settles } from "../lib/delay.ts";
import { sha256 } from "../lib/digest.ts";
import { NodeError } from "../lib/errors.ts";
import type { Locks } from "../locks/locks.ts";
import type { Lookup, UsableResponse, WebCache } from "./cache.ts";
import type { StoringOptions } from "./freshness.ts";
import { storedUrl, toResponse } from "./stored_response.ts";

/** Longest wait for another instance's call, and the lease of its lock, in milliseconds. */
const FLIGHT_MS = 10_000;

/** How the cache handled a request (RFC 9211). */
export interface CacheStatus {
  readonly lookup: Lookup;
  /** Seconds for which the stored response is still fresh; negative when it is stale. */
  readonly ttl?: number;
  /** True when the call's response was stored. */
  readonly stored?: boolean;
  /** True when another request made the call, and this one waited for it. */
  readonly collapsed?: boolean;
}

/** An answer, and how the cache handled its request. */
export interface CachedAnswer {
  readonly response: Response;
  readonly status: CacheStatus;
}

/** Options of {@linkcode ReadThrough.respond}. */
export interface ReadThroughOptions extends Pick<StoringOptions, "defaultLifetime"> {
  /** Where the response is looked up, and stored. */
  readonly cache: WebCache;
  /** The request that is answered. */
  readonly request: Request;
  /** Makes the call; used on a miss, and to revalidate: then `inBackground`, as nobody waits for its answer. */
  readonly load: (how: { inBackground: boolean }) => Promise<Response>;
  /**
   * The longest wait for the call of another request, in milliseconds; no limit by default but {@linkcode FLIGHT_MS} for
   * that of another instance.
   */
  readonly waitMs?: number | undefined;
}

/** Options of {@linkcode ReadThrough}. */
export interface ReadThroughParts {
  /** Epoch milliseconds by the store's clock. */
  readonly now: () => number;
  /** Locks by which one instance at a time makes a call; absent: each makes its own. */
  readonly locks?: Locks | undefined;
  /** Called with errors of the cache, and of revalidations in the background. */
  readonly onError: (error: unknown) => void;
}

/** Answers requests through caches. */
export class ReadThrough {
  readonly #parts: ReadThroughParts;
  /** Calls in progress by cache and URL; they resolve with true when the answer was stored. */
  readonly #flights = new Map<string, Promise<boolean>>();

  constructor(parts: ReadThroughParts) {
    this.#parts = parts;
  }

  /** Answers a request. Rejects with the error of `load`. */
  async respond(options: ReadThroughOptions): Promise<CachedAnswer> {
    const { cache, request, waitMs } = options;
    const match = await this.#lookUp(options);
    if (match !== undefined) {
      cache.count(match);
      if (match.usability === "stale") this.#renew(options, match);
      return this.#answer(match);
    }
    const key = `${cache.name} ${storedUrl(request)}`;
    const flight = this.#flights.get(key);
    if (flight !== undefined && await settles(flight, { timeoutMs: waitMs }) && await flight) {
      const stored = await this.#lookUp(options);
      cache.count(stored);
      if (stored !== undefined) return this.#answer(stored, { collapsed: true });
      return await this.#load(options);
    }
    if (flight === undefined) return await this.#fly(key, options);
    cache.count(undefined);
    return await this.#load(options);
  }

  /** Makes the call; requests that arrive in the meantime wait for it. */
  async #fly(key: string, options: ReadThroughOptions): Promise<CachedAnswer> {
    let land!: (isStored: boolean) => void;
    this.#flights.set(key, new Promise((resolve) => land = resolve));
    const landed = (isStored: boolean) => {
      this.#flights.delete(key);
      land(isStored);
    };
    const lock = await this.#parts.locks?.acquire(`cache ${await digestOf(key)}`, {
      waitMs: Math.min(FLIGHT_MS, options.waitMs ?? Infinity),
      ttlMs: FLIGHT_MS,
    })
      .catch(() => undefined);
    const release = () => lock?.release().catch(this.#parts.onError);
    try {
      // Another instance may have stored the response while this one waited for the lock.
      const stored = lock && await this.#lookUp(options);
      options.cache.count(stored);
      if (stored !== undefined) {
        landed(true);
        void release();
        return this.#answer(stored, { collapsed: true });
      }
      return await this.#load(options, {
        onStored: (isStored) => {
          landed(isStored);
          void release();
        },
      });
    } catch (error) {
      landed(false);
      void release();
      throw error;
    }
  }

  /** Calls, and stores the response while its body is read. */
  async #load(
    { cache, request, load, defaultLifetime }: ReadThroughOptions,
    how: { onStored?: (isStored: boolean) => void; inBackground?: boolean } = {},
  ): Promise<CachedAnswer> {
    const { onStored = () => {}, inBackground = false } = how;
    const response = await load({ inBackground });
    const keeping = { defaultLifetime, anyStatus: false };
    if (!cache.mayKeep(request, response, keeping)) {
      onStored(false);
      return { response, status: { lookup: "miss", stored: false } };
    }
    cache.keep(request, response.clone(), keeping).then(onStored, (error) => {
      onStored(false);
      this.#parts.onError(error);
    });
    return { response, status: { lookup: "miss", stored: true } };
  }

  /** Revalidates a stale response in the background, unless a revalidation is running. */
  #renew(options: ReadThroughOptions, { found }: UsableResponse): void {
    const renew = async () => {
      if (!await options.cache.claimRenewal(found)) return;
      const { response } = await this.#load(options, { inBackground: true });
      await response.body?.pipeTo(new WritableStream());
    };
    renew().catch((error) => {
      // Invariant 3: somebody who comes later tries again.
      if (!(error instanceof NodeError && error.code === "rate_limited")) this.#parts.onError(error);
    });
  }

  async #lookUp({ cache, request }: ReadThroughOptions): Promise<UsableResponse | undefined> {
    try {
      return await cache.lookUp(request);
    } catch (error) {
      this.#parts.onError(error);
      return undefined;
    }
  }

  #answer({ found, usability }: UsableResponse, how: { collapsed?: boolean } = {}): CachedAnswer {
    const response = toResponse(found, this.#parts.now());
    const ttl = Math.floor(found.response.lifetime) - Number(response.headers.get("age"));
    return { response, status: { lookup: usability === "fresh" ? "hit" : "stale", ttl, ...how } };
  }
}

async function digestOf(text: string): Promise<string> {
  const digest = await sha256(text);
  return [...digest.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
