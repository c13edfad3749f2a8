/**
 * Posts to a mailbox.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MAILBOX_LIBRARY } from "./mailbox_library.ts";

/** Adds an entry to a box, and an event to the recent ones. */
export const POST = defineScript(`
-- KEYS  1 stream of the box  2 stream of recent events, if it is one
-- ARGV  1 data, JSON  2 TTL (ms)  3 entries  4 bytes that a stream may have  5 whose it is, as a JSON string
-- Reply the entry's id
${MAILBOX_LIBRARY}
local id = post(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if KEYS[2] then
  post(KEYS[2], '{"session":' .. ARGV[5] .. ',"id":"' .. id .. '","data":' .. ARGV[1] .. '}', ARGV[2], ARGV[3], ARGV[4])
end
return id
`);

/** What {@linkcode postMail} takes. */
export interface PostMailOptions {
  /** The box, and the recent events of all sessions, if the entry is an event. */
  readonly keys: { readonly box: string; readonly recent?: string };
  /** What is posted, as JSON. */
  readonly json: string;
  /** How long entries of the box are kept, in milliseconds. */
  readonly ttlMs: number;
  /** How many entries the box may have. */
  readonly entries: number;
  /** How many bytes the box may have. */
  readonly bytes: number;
  /** The session's id. */
  readonly id: string;
}

/** Posts to a mailbox; replies with the entry's id. */
export function postMail(connection: RedisConnection, options: PostMailOptions): Promise<string> {
  const { keys, json, ttlMs, entries, bytes, id } = options;
  return runScript<string>(connection, POST, {
    keys: keys.recent === undefined ? [keys.box] : [keys.box, keys.recent],
    args: [json, String(ttlMs), String(entries), String(bytes), JSON.stringify(id)],
  });
}
