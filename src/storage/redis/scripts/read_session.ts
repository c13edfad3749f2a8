/**
 * Reads a session, whose life begins anew.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { SESSION_LIBRARY } from "./session_library.ts";

/** Reads a document and sets its time to live. */
export const READ = defineScript(
  `
-- KEYS  1 document
-- ARGV  1 '1' where documents are RedisJSON
-- Reply the document as JSON, and when it ends (epoch ms); nothing when there is none
${SESSION_LIBRARY}
local text, ttlMs
if ARGV[1] == '1' then
  ttlMs = redis.call('JSON.GET', KEYS[1], '.ttlMs')
  text = ttlMs and redis.call('JSON.GET', KEYS[1], '.')
else
  text = redis.call('GET', KEYS[1])
  if text then ttlMs = select(4, string.match(text, HEAD)) end
end
if not text then return false end
redis.call('PEXPIRE', KEYS[1], ttlMs)
return {text, math.floor(micros() / 1000) + ttlMs}
`,
  { allowOom: true },
);

/** Reads a session. */
export function readSession(
  connection: RedisConnection,
  options: { readonly keys: { readonly document: string }; readonly asJson: boolean },
): Promise<[json: string, expiresAt: number] | null> {
  const { keys, asJson } = options;
  return runScript(connection, READ, { keys: [keys.document], args: [asJson ? "1" : ""] });
}
