/**
 * Renews a lock's lease.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { lockKeyList, type LockKeys, LOCKS } from "./lock_library.ts";

/** Extends the lease of the holder that the token names, if it is one. */
export const RENEW_LOCK = defineScript(
  `
-- KEYS  1 holder  2 shared  3 sharers  4 queue  5 fence  6 index
-- ARGV  1 base  2 lock  3 token  4 ttl (ms)
-- Reply [fence, end of the lease (ms)]; [] when the token is no holder's
${LOCKS}
local k, now = lockKeys(ARGV[1], ARGV[2]), math.floor(micros() / 1000)
local ttl = tonumber(ARGV[4])
local fence, _, mode = holding(k, ARGV[3], now)
if not fence then return {} end
if mode == 'exclusive' then redis.call('PEXPIREAT', k.holder, digits(now + ttl))
else
  redis.call('ZADD', k.shared, digits(now + ttl), ARGV[3])
  outlive(k.shared, ttl)
  outlive(k.sharers, ttl)
end
index(k, now)
return {fence, digits(now + ttl)}
`,
  { allowOom: true },
);

/** What {@linkcode renewLock} takes. */
export interface RenewLockOptions {
  /** The lock's keys. */
  readonly keys: LockKeys;
  /** What the names of the locks' keys begin with. */
  readonly base: string;
  /** The lock's name. */
  readonly name: string;
  /** The holder's secret. */
  readonly token: string;
  /** How long the lock is held from now on, in milliseconds. */
  readonly ttlMs: number;
}

/** Renews; replies with the fence and the end of the lease (epoch milliseconds), or nothing. */
export function renewLock(
  connection: RedisConnection,
  { keys, base, name, token, ttlMs }: RenewLockOptions,
): Promise<[fence: string, expiresAt: string] | []> {
  return runScript(connection, RENEW_LOCK, { keys: lockKeyList(keys), args: [base, name, token, String(ttlMs)] });
}
