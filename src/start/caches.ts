/**
 * Opens the caches and the locks of an instance, and counts what becomes of lookups.
 */
import { CacheCounter } from "../caches/cache_counter.ts";
import { Caches } from "../caches/caches.ts";
import { Locks } from "../locks/locks.ts";
import type { Store } from "../storage/store.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Caches and locks that belong together. */
export interface Wings extends AsyncDisposable {
  readonly caches: Caches;
  readonly locks: Locks;
}

/** Opens them; what was counted last is written when they are disposed of. */
export function openWings(
  parts: { store: Store; instance: string; metrics: Metrics; logger: Logger },
): Wings {
  const { store, instance, metrics, logger } = parts;
  const now = () => store.clock.now();
  const onError = (error: unknown) => logger.warn({ error }, "cache");
  const locks = new Locks({
    store: store.locks,
    clientId: instance,
    onError: (error) => logger.warn({ error }, "lock not released: it ends with its lease"),
  });
  const counter = new CacheCounter({ store: store.caches, now, onError });
  const caches = new Caches({
    store: store.caches,
    now,
    locks,
    onError,
    onLookup: (cache, lookup, bytes) => {
      metrics.cacheLookedUp(cache, lookup, bytes);
      counter.add(cache, lookup, bytes);
    },
  });
  return { caches, locks, [Symbol.asyncDispose]: () => counter[Symbol.asyncDispose]() };
}
