/**
 * Knows when so many have looked into caches: whoever found nothing then waits for the call that is under way, however
 * slowly they came.
 *
 * @example
 * ```ts
 * const crowd = new Crowd(100);
 * const caches = new Caches({ store: crowd.before(store.caches), now });
 * const load = async () => {
 *   await crowd.gathered;
 *   return new Response("for all hundred");
 * };
 * ```
 */
import type { CacheStore } from "../../src/caches/cache_store.ts";

/** Counts the lookups of several stores together. */
export class Crowd {
  /** Resolves once as many have looked as were said, and have gone on from what they found. */
  readonly gathered: Promise<void>;
  #missing: number;
  #gather!: () => void;

  constructor(count: number) {
    this.#missing = count;
    this.gathered = new Promise((resolve) => this.#gather = resolve);
  }

  /** The store, its lookups counted. */
  before(store: CacheStore): CacheStore {
    const find: CacheStore["find"] = async (...args) => {
      const found = await store.find(...args);
      // What they do then takes no more than microtasks, which all come before this.
      if (--this.#missing === 0) setImmediate(this.#gather);
      return found;
    };
    return new Proxy(store, {
      get(_, name) {
        if (name === "find") return find;
        const member: unknown = Reflect.get(store, name);
        return typeof member === "function" ? member.bind(store) : member;
      },
    });
  }
}
