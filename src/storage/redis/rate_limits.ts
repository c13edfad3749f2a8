/**
 * Counts of calls on Redis: a sorted set for each name, which lives as long as its window.
 */
import {
  type Admission,
  LATE_TURN_MS,
  LINE_PLACES,
  type RateLimit,
  type RateLimits,
  type Turn,
} from "../../execution/rate_limits.ts";
import { noRoom } from "../store_rules.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Keys } from "./keys.ts";
import { admitCall } from "./scripts/admit_call.ts";
import { takeTurn } from "./scripts/take_turn.ts";

/** What one call takes in Redis, about, in bytes. */
const CALL_BYTES = 150;

/** {@linkcode RateLimits} on Redis. */
export class RedisRateLimits implements RateLimits {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;
  readonly #memory: MemoryWatch;

  constructor(options: { keys: Keys; commands: RedisConnection; memory: MemoryWatch }) {
    this.#keys = options.keys;
    this.#commands = options.commands;
    this.#memory = options.memory;
  }

  async admit(name: string, { limit, perSeconds }: RateLimit): Promise<Admission> {
    if (!this.#memory.hasRoomFor(CALL_BYTES)) throw noRoom();
    const { admitted, count, resetUs } = await admitCall(this.#commands, {
      keys: { calls: this.#keys.rate(name) },
      limit,
      lengthMs: perSeconds * 1000,
    });
    return { admitted, remaining: Math.max(0, limit - count), resetMs: Math.max(1, Math.ceil(resetUs / 1000)) };
  }

  async turn(
    name: string,
    { limit, perSeconds }: RateLimit,
    ticket: string,
    { keepsPlace = true }: { keepsPlace?: boolean } = {},
  ): Promise<Turn> {
    if (!this.#memory.hasRoomFor(CALL_BYTES)) throw noRoom();
    const keys = this.#keys;
    const { admitted, waitUs } = await takeTurn(this.#commands, {
      keys: { calls: keys.turn("calls", name), line: keys.turn("line", name), dues: keys.turn("dues", name) },
      limit,
      lengthMs: perSeconds * 1000,
      ticket,
      lateMs: LATE_TURN_MS,
      places: keepsPlace ? LINE_PLACES : 0,
    });
    return { admitted, waitMs: Math.ceil(waitUs / 1000) };
  }
}
