/**
 * Watches the pending entries of the work streams: an entry under a live lease must not change its consumer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Keys } from "../../src/storage/redis/keys.ts";
import type { Breach } from "./breach.ts";
import type { ChaosRedis } from "./redis_process.ts";

const EVERY_MS = 40;
/** How much earlier a lease may seem to end: what is seen is up to so many milliseconds old. */
const BLUR_MS = 150;
const MOST = 1000;

interface Held {
  readonly consumer: string;
  /** Since when nobody has renewed it, at the time of the look, in milliseconds. */
  readonly idleMs: number;
  /** Not before this, by our own clock, which may read the answer late. */
  readonly askedAt: number;
}

/** Looks at the pending entries until it is stopped. */
export class LeaseMonitor {
  readonly breaches: Breach[] = [];
  readonly #redis: ChaosRedis;
  readonly #keys: Keys;
  readonly #leaseMs: number;
  readonly #loop: Promise<void>;
  #held = new Map<string, Held>();
  #stopped = false;
  #blindUntil = 0;
  #worstLagMs = 0;

  constructor(options: { redis: ChaosRedis; keys: Keys; leaseMs: number }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#leaseMs = options.leaseMs;
    this.#loop = this.#watch();
  }

  /** Forgets what was seen, and looks away for a while: the group, or Redis, is about to lose what it knew. */
  lookAway(forMs: number): void {
    this.#blindUntil = Math.max(this.#blindUntil, Date.now() + forMs);
    this.#held.clear();
  }

  /** The longest that this process itself did not get to look since the last call, in milliseconds. */
  takeLag(): number {
    const worst = this.#worstLagMs;
    this.#worstLagMs = 0;
    return worst;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #watch(): Promise<void> {
    let lookedAt = Date.now();
    while (!this.#stopped) {
      await sleep(EVERY_MS);
      this.#worstLagMs = Math.max(this.#worstLagMs, Date.now() - lookedAt - EVERY_MS);
      lookedAt = Date.now();
      if (lookedAt < this.#blindUntil || !this.#redis.ready) continue;
      await this.#look().catch(() => this.#held.clear());
    }
  }

  async #look(): Promise<void> {
    const seen = new Map<string, Held>();
    for (const work of this.#keys.each((partition) => this.#keys.work(partition))) {
      const askedAt = Date.now();
      const pending = await this.#redis.send<[string, string, number, number][]>(
        ...["XPENDING", work, "workers", "-", "+", String(MOST)],
      );
      const seenAt = Date.now();
      for (const [id, consumer, idleMs] of pending) {
        const key = `${work} ${id}`;
        const before = this.#held.get(key);
        seen.set(key, { consumer, idleMs, askedAt });
        if (before === undefined || before.consumer === consumer || seenAt < this.#blindUntil) continue;
        const longestMs = before.idleMs + seenAt - before.askedAt;
        if (longestMs >= this.#leaseMs - BLUR_MS) continue;
        const what = `${consumer} took ${id} from ${before.consumer}, ${longestMs} ms after its lease was renewed`;
        this.breaches.push({ kind: "duplicated", detail: `${what}, not ${this.#leaseMs}` });
      }
    }
    this.#held = seen;
  }
}
