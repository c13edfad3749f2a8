/**
 * Redis's time, told in this process without asking: by the monotonic clock, and how far Redis's is from it.
 *
 * Invariants:
 * 1. The system's clock has no part in it: it may be wrong, or step, and nothing here changes.
 * 2. Redis read its clock at some moment between the asking and the answer (F. Cristian, "Probabilistic clock
 *    synchronization", 1989). Each answer bounds the distance by that, and what is believed moves no further than into
 *    the bounds: the fastest answer says most, a slow one nothing, and only a correction can make time run backwards.
 * 3. A Redis whose own clock is set, or another server with another clock, is followed with the next answer. Scripts
 *    use Redis's time, and an instance with another clock would see timers as due too early or too late.
 *
 * @example
 * ```ts
 * const clock = await RedisClock.start({ connection, onError });
 * clock.now();
 * clock.stop();
 * ```
 */
import type { Clock } from "../../../lib/clock.ts";
import { UnavailableError } from "../../../lib/errors.ts";
import type { RedisConnection } from "./connection.ts";

/** How often Redis is asked, in milliseconds, and how many times at the start of a link. */
const EVERY_MS = 2000;
const FIRST_ASKED = 5;
/** A difference worth a warning, in milliseconds; it is over below the half. */
const NOTABLE_MS = 1000;

/** What a clock is made of. */
export interface RedisClockOptions {
  /** The connection on which Redis is asked for its time. */
  readonly connection: Pick<RedisConnection, "send" | "ready" | "onReady">;
  /** Hears, once each time, that the system's clock is off by more than a second, and that Redis's has jumped. */
  readonly onError: (error: unknown) => void;
}

/** {@linkcode Clock} that agrees with Redis's. */
export class RedisClock implements Clock {
  readonly #options: RedisClockOptions;
  /** Redis's epoch milliseconds at 0 of the monotonic clock. */
  #origin = NaN;
  /** How far from that Redis may be, if its clock does not jump. */
  #doubtMs = Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;
  #asking = false;
  #told = false;

  private constructor(options: RedisClockOptions) {
    this.#options = options;
  }

  /** Asks Redis for its time, at first and from then on. */
  static async start(options: RedisClockOptions): Promise<RedisClock> {
    const clock = new RedisClock(options);
    await clock.#ask(FIRST_ASKED);
    options.connection.onReady(() => clock.#refresh(FIRST_ASKED));
    clock.#timer = setInterval(() => void clock.#refresh(1), EVERY_MS);
    return clock;
  }

  now(): number {
    return Math.floor(performance.now() + this.#origin);
  }

  /** How far the system's clock is ahead of Redis's now, in whole milliseconds. */
  get systemOffsetMs(): number {
    return Date.now() - this.now();
  }

  /** Asks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  async #refresh(times: number): Promise<void> {
    const { connection, onError } = this.#options;
    if (this.#asking || !connection.ready) return;
    this.#asking = true;
    try {
      await this.#ask(times);
    } catch (error) {
      // A link that is lost asks again when it is back.
      if (!(error instanceof UnavailableError)) onError(error);
    } finally {
      this.#asking = false;
    }
  }

  async #ask(times: number): Promise<void> {
    for (let n = 0; n < times; n++) {
      const askedAt = performance.now();
      const [seconds, microseconds] = await this.#options.connection.send<[string, string]>(["TIME"]);
      const told = Number(seconds) * 1000 + Number(microseconds) / 1000;
      this.#believe(told - performance.now(), told - askedAt);
    }
    this.#compare();
  }

  /** Moves what is believed between the bounds, if it is not there: by more than the doubt only where Redis's clock jumped. */
  #believe(least: number, most: number): void {
    const before = this.#origin;
    if (Number.isNaN(before)) this.#origin = (least + most) / 2;
    else this.#origin = Math.min(Math.max(before, least), most);
    const movedMs = this.#origin - before;
    const hasJumped = Math.abs(movedMs) > this.#doubtMs + NOTABLE_MS;
    this.#doubtMs = hasJumped ? most - least : Math.min(this.#doubtMs, most - least);
    if (hasJumped) this.#options.onError(new Error(`Redis's clock jumped by ${Math.round(movedMs)} ms`));
  }

  #compare(): void {
    const offMs = this.systemOffsetMs;
    if (Math.abs(offMs) < NOTABLE_MS / 2) this.#told = false;
    if (Math.abs(offMs) <= NOTABLE_MS || this.#told) return;
    this.#told = true;
    const how = `${Math.abs(offMs)} ms ${offMs > 0 ? "ahead of" : "behind"} Redis's`;
    this.#options.onError(new Error(`The system's clock is ${how}, by which everything goes`));
  }
}
