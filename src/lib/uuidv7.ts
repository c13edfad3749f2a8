/**
 * Execution ids: UUIDs of version 7 (RFC 9562, section 5.7), so that they sort by the time they were made.
 *
 * @example
 * ```ts
 * const id = uuidv7(); // "019a3f6c-7c1e-7a05-9d2f-3f1b0c9e4d21"
 * isExecutionId(id); // true
 * ```
 */
import { processClock } from "./clock.ts";

const RANDOM_BYTES_PER_ID = 10;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Random bytes are drawn in bulk: one system call for many ids. */
const pool = new Uint8Array(RANDOM_BYTES_PER_ID * 256);
let poolUsed = pool.length;
let lastMs = 0;
let counter = 0;

/**
 * Makes a UUIDv7 that is greater than every one this process made before.
 *
 * `rand_a` is a counter seeded at random each millisecond (RFC 9562, section 6.2, method 1), its top bit kept clear
 * against rollover. When it rolls over nevertheless, or the clock goes back, the timestamp runs ahead of the clock.
 *
 * @param now epoch milliseconds: for an execution those of its store's clock, so that ids of several processes sort as
 * they were made
 */
export function uuidv7(now: number = processClock.now()): string {
  if (poolUsed === pool.length) {
    crypto.getRandomValues(pool);
    poolUsed = 0;
  }
  const at = poolUsed;
  poolUsed += RANDOM_BYTES_PER_ID;
  if (now > lastMs) {
    lastMs = now;
    counter = (pool[at]! << 8 | pool[at + 1]!) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  const high = Math.floor(lastMs / 0x10000).toString(16).padStart(8, "0");
  const low = (lastMs % 0x10000).toString(16).padStart(4, "0");
  return `${high}-${low}-7${counter.toString(16).padStart(3, "0")}-` +
    HEX[pool[at + 2]! & 0x3f | 0x80]! + HEX[pool[at + 3]!]! + "-" +
    HEX[pool[at + 4]!]! + HEX[pool[at + 5]!]! + HEX[pool[at + 6]!]! +
    HEX[pool[at + 7]!]! + HEX[pool[at + 8]!]! + HEX[pool[at + 9]!]!;
}

/** The time in which a UUIDv7 was made, in epoch milliseconds. */
export function timeOfId(id: string): number {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** The smallest UUID of a time, in epoch milliseconds: those that are made from then on are above it. */
export function firstIdOf(ms: number): string {
  const hex = Math.max(0, Math.min(Math.floor(ms), 2 ** 48 - 1)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** True for a UUIDv7 in lower case. */
export function isExecutionId(text: string): boolean {
  return UUID_V7.test(text);
}
