/**
 * A cache over a driver, its `fetch` in the hands of the test.
 */
import type { Test } from "uvu";
import type { WebCache } from "../../src/caches/cache.ts";
import { Caches } from "../../src/caches/caches.ts";
import type { Store } from "../../src/storage/store.ts";
import type { Driver } from "../storage/drivers.ts";

/** What a test has at hand; made anew for each. */
export interface CacheRig {
  caches: Caches;
  /** The cache "pages", empty. */
  cache: WebCache;
  /** What `fetch` answers, by URL. */
  answers: Map<string, () => Response>;
  /** The URLs that were fetched, in order. */
  fetched: string[];
}

/** Opens a store for a suite, and empties its caches before each test. */
export function cacheRig(test: Test, driver: Driver): CacheRig {
  const rig = {} as CacheRig;
  let store: Store;
  test.before(async () => {
    store = await driver.open("a");
  });
  test.before.each(async () => {
    rig.answers = new Map();
    rig.fetched = [];
    // It stands still in a test, so that ages are exact.
    const now = store.clock.now();
    rig.caches = new Caches({
      store: store.caches,
      now: () => now,
      fetch: (input) => {
        const { url } = input as Request;
        rig.fetched.push(url);
        const answer = rig.answers.get(url);
        return answer === undefined ? Promise.reject(new TypeError("fetch failed")) : Promise.resolve(answer());
      },
    });
    for (const name of await rig.caches.keys()) await rig.caches.delete(name);
    rig.cache = await rig.caches.open("pages");
  });
  test.after(async () => {
    await store[Symbol.asyncDispose]();
    await driver.clean();
  });
  return rig;
}

/** The name of the error with which work is refused. */
export async function refused(work: Promise<unknown>): Promise<string> {
  return await work.then(() => "not refused", (error) => error.name);
}
