/**
 * Tells whether Redis has room for more: how much memory it uses, against its `maxmemory`.
 *
 * Invariants:
 * 1. Nothing new is begun once {@linkcode SHARE} of `maxmemory` is used: the rest is for what runs, so that it can end.
 *    What can do without keeps nothing past {@linkcode SPARE_SHARE}: it never takes the room of what is begun.
 * 2. What is sent counts at once; it is known to be in the server's own number when that was asked for afterwards, over
 *    the same connection.
 * 3. Without `maxmemory`, or where it may not be asked for, there is always room.
 *
 * @example
 * ```ts
 * const memory = new MemoryWatch({ connection });
 * if (memory.hasRoomFor(body.length)) memory.count(body.length);
 * memory.stop();
 * ```
 */
import type { RedisConnection } from "./connection.ts";

/** The share of `maxmemory` that new work may fill. */
const SHARE = 0.8;
/** The share that may be filled by what only saves work, such as kept answers. */
const SPARE_SHARE = 0.6;
/** What a byte takes: allocations are rounded up, by a quarter at most (jemalloc's size classes). */
const ROUNDED_UP = 1.25;
/** How often the server is asked, in milliseconds. */
const EVERY_MS = 1000;

/** Watches until it is stopped. */
export class MemoryWatch {
  readonly #connection: RedisConnection;
  readonly #timer: ReturnType<typeof setInterval>;
  #limit = Infinity;
  #used = 0;
  /** Bytes sent so far, and how many of them are in `#used`. */
  #sent = 0;
  #known = 0;
  #asking = false;

  constructor(options: { connection: RedisConnection; everyMs?: number }) {
    this.#connection = options.connection;
    this.#timer = setInterval(() => void this.look(), options.everyMs ?? EVERY_MS);
    options.connection.onReady(() => this.look());
  }

  /** Whether so many bytes more would leave the share for what runs; `spare`: and that for new work too. */
  hasRoomFor(bytes: number, { spare = false }: { spare?: boolean } = {}): boolean {
    const share = spare ? SPARE_SHARE : SHARE;
    return this.#used + ROUNDED_UP * (this.#sent - this.#known + bytes) <= share * this.#limit;
  }

  /** Counts what is about to be sent over the connection. */
  count(bytes: number): void {
    this.#sent += bytes;
  }

  /** Why nothing new can be begun, in one line; `undefined` while it can. */
  get reason(): string | undefined {
    if (this.hasRoomFor(0)) return undefined;
    return `Redis is nearly full: ${this.#used} of ${this.#limit} bytes are used`;
  }

  /** Asks the server now; to be called once before anything else is. */
  async look(): Promise<void> {
    if (this.#asking || !this.#connection.ready) return;
    this.#asking = true;
    const sent = this.#sent;
    try {
      const info = await this.#connection.send<string>(["INFO", "memory"]);
      const number = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
      this.#limit = number("maxmemory") || Infinity;
      // Buffers of replicas and of the append-only file do not count against maxmemory.
      this.#used = number("used_memory") - number("mem_not_counted_for_evict");
      this.#known = sent;
    } catch {
      // The link is away, which the probe tells, or INFO is not allowed.
    } finally {
      this.#asking = false;
    }
  }

  /** Asks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
