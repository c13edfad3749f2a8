/**
 * Writes a session, or writes over it.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MAILBOX_LIBRARY } from "./mailbox_library.ts";
import { SESSION_LIBRARY } from "./session_library.ts";

/** Writes a document on a condition, and tells those who follow it. */
export const WRITE = defineScript(`
-- KEYS  1 document  2 stream of those who follow it, if any do
-- ARGV  1 '1' where documents are RedisJSON  2 condition (see holds)  3 TTL (ms)  4 what is sealed, as a JSON string
--       5 data, JSON  6 '1' for the same session in another form  7 entries  8 bytes that the stream may have
-- Reply 'done', version, createdAt, updatedAt, when it ends, 1 for a new one; or 'moved' and the version, if one is there
${SESSION_LIBRARY}
${MAILBOX_LIBRARY}
local json = ARGV[1] == '1'
local found = head(KEYS[1], json)
if not holds(ARGV[2], found) then return {'moved', found and found.version} end
-- Microseconds, so that a version is not used again when a session is deleted and made anew.
local us = micros()
local ms = math.floor(us / 1000)
local created = not found
local next = found or {createdAt = ms}
if ARGV[6] == '' then
  next.version = found and math.max(found.version + 1, us) or us
  next.updatedAt = ms
end
local text = '{"version":' .. digits(next.version) .. ',"createdAt":' .. digits(next.createdAt) .. ',"updatedAt":' ..
  digits(next.updatedAt) .. ',"ttlMs":' .. ARGV[3] .. ',"bytes":' .. #ARGV[5] .. ',"sealed":' .. ARGV[4] .. ',"data":' ..
  ARGV[5] .. '}'
if json then
  redis.call('JSON.SET', KEYS[1], '$', text)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], text, 'PX', ARGV[3]) end
if KEYS[2] and ARGV[6] == '' then
  post(KEYS[2], '{"type":"saved","version":' .. digits(next.version) .. '}', ARGV[3], ARGV[7], ARGV[8])
end
return {'done', next.version, next.createdAt, next.updatedAt, ms + ARGV[3], created and 1 or 0}
`);

/** What {@linkcode writeSession} takes. */
export interface WriteSessionOptions {
  /** The session's document, and the stream of those who follow it. */
  readonly keys: { readonly document: string; readonly followed?: string };
  /** Whether documents are RedisJSON, or strings. */
  readonly asJson: boolean;
  /** What must hold of the session that is there: see `holds`. */
  readonly condition: string;
  /** The life of the session from each use on, in milliseconds. */
  readonly ttlMs: number;
  /** Which parts are sealed, as a JSON string. */
  readonly sealed: string;
  /** The data, as JSON. */
  readonly json: string;
  /** The same session in another form. */
  readonly isSame: boolean;
  /** How many entries and bytes the stream of followers may have. */
  readonly mailbox: { readonly entries: number; readonly bytes: number };
}

/** What {@linkcode writeSession} replies. */
export type WriteReply =
  | [what: "done", version: number, createdAt: number, updatedAt: number, expiresAt: number, created: number]
  | [what: "moved", version?: number];

/** Writes a session. */
export function writeSession(connection: RedisConnection, options: WriteSessionOptions): Promise<WriteReply> {
  const { keys, asJson, condition, ttlMs, sealed, json, isSame, mailbox } = options;
  return runScript(connection, WRITE, {
    keys: keys.followed === undefined ? [keys.document] : [keys.document, keys.followed],
    args: [
      asJson ? "1" : "",
      condition,
      String(ttlMs),
      JSON.stringify(sealed),
      json,
      isSame ? "1" : "",
      String(mailbox.entries),
      String(mailbox.bytes),
    ],
  }) as unknown as Promise<WriteReply>;
}
