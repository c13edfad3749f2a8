/**
 * Merges a patch into a session, where documents are RedisJSON.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { SESSION_LIBRARY } from "./session_library.ts";

/**
 * Merges by JSON.MERGE, which is RFC 7396 to the letter. The size that a document says of itself is a bound: each merge
 * adds what its patch has. Only when that passes the limit is the size measured.
 */
export const MERGE = defineScript(`
-- KEYS  1 document
-- ARGV  1 patch of the data, JSON  2 condition (see holds)  3 TTL (ms), '' as it is  4 what is sealed
--       5 bytes that the data may have
-- Reply the document as JSON, and when it ends (epoch ms); nothing when other parts are sealed; 'moved' and the version,
--       if one is there; or 'large'
${SESSION_LIBRARY}
local found = head(KEYS[1], true)
if not found or not holds(ARGV[2], found) then return {'moved', found and found.version} end
if found.sealed ~= ARGV[4] then return false end
local limit = tonumber(ARGV[5])
local bytes = found.bytes + #ARGV[1]
if bytes <= limit then redis.call('JSON.MERGE', KEYS[1], '$.data', ARGV[1])
else
  local before = redis.call('JSON.GET', KEYS[1], '.data')
  redis.call('JSON.MERGE', KEYS[1], '$.data', ARGV[1])
  bytes = #redis.call('JSON.GET', KEYS[1], '.data')
  if bytes > limit then
    redis.call('JSON.SET', KEYS[1], '$.data', before)
    return {'large'}
  end
end
local us = micros()
local ms = math.floor(us / 1000)
local ttlMs = ARGV[3] == '' and digits(found.ttlMs) or ARGV[3]
redis.call('JSON.MERGE', KEYS[1], '$', '{"version":' .. digits(math.max(found.version + 1, us)) .. ',"updatedAt":' ..
  digits(ms) .. ',"ttlMs":' .. ttlMs .. ',"bytes":' .. bytes .. '}')
redis.call('PEXPIRE', KEYS[1], ttlMs)
return {redis.call('JSON.GET', KEYS[1], '.'), ms + ttlMs}
`);

/** What {@linkcode mergeSession} takes. */
export interface MergeSessionOptions {
  /** The session's document. */
  readonly keys: { readonly document: string };
  /** The merge patch of its data, as JSON. */
  readonly json: string;
  /** What must hold of the session that is there: see `holds`. */
  readonly condition: string;
  /** The new life of the session from each use on, in milliseconds; by default it stays. */
  readonly ttlMs?: number;
  /** Which parts are sealed, as a JSON string. */
  readonly sealed: string;
  /** How many bytes of JSON the data may have. */
  readonly limitBytes: number;
}

/** What {@linkcode mergeSession} replies. */
export type MergeReply = [json: string, expiresAt: number] | ["moved", number?] | ["large"] | null;

/** Merges a patch into a session. */
export function mergeSession(connection: RedisConnection, options: MergeSessionOptions): Promise<MergeReply> {
  const { keys, json, condition, ttlMs, sealed, limitBytes } = options;
  return runScript(connection, MERGE, {
    keys: [keys.document],
    args: [json, condition, ttlMs === undefined ? "" : String(ttlMs), sealed, String(limitBytes)],
  }) as unknown as Promise<MergeReply>;
}
