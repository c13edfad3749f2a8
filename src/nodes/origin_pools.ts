/**
 * Connections to the origins that were called last: undici's `Agent` keeps a pool for each origin that was ever called,
 * and workflows call what their input names.
 */
import { LRUCache } from "lru-cache";
import undici from "undici";

/** Options of {@linkcode OriginPools}. */
export interface OriginPoolsOptions {
  /** The most origins that are remembered. */
  readonly max: number;
  /** Makes what keeps the connections to an origin. */
  readonly open: (origin: string) => undici.Dispatcher;
}

/** Sends each request by the pool of its origin. */
export class OriginPools extends undici.Dispatcher {
  readonly #open: (origin: string) => undici.Dispatcher;
  readonly #pools: LRUCache<string, undici.Dispatcher>;

  constructor({ max, open }: OriginPoolsOptions) {
    super();
    this.#open = open;
    // One that is closed sends what it was given, and ends its connections after that.
    this.#pools = new LRUCache({ max, dispose: (pool) => void pool.close() });
  }

  override dispatch(
    options: undici.Dispatcher.DispatchOptions,
    handler: undici.Dispatcher.DispatchHandlers,
  ): boolean {
    const origin = String(options.origin);
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = this.#open(origin);
      this.#pools.set(origin, pool);
    }
    return pool.dispatch(options, handler);
  }
}
