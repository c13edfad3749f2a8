/**
 * Deletes a session.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { MAILBOX_LIBRARY } from "./mailbox_library.ts";
import { SESSION_LIBRARY } from "./session_library.ts";

/** Deletes a document on a condition, and tells those who follow it. */
export const DELETE = defineScript(
  `
-- KEYS  1 document  2 stream of those who follow it, if any do
-- ARGV  1 '1' where documents are RedisJSON  2 condition (see holds)  3 entries  4 bytes that the stream may have
-- Reply 'done' or 'moved', and the version that was there, if one was
${SESSION_LIBRARY}
${MAILBOX_LIBRARY}
local found = head(KEYS[1], ARGV[1] == '1')
if not found or not holds(ARGV[2], found) then return {'moved', found and found.version} end
redis.call('UNLINK', KEYS[1])
if KEYS[2] then post(KEYS[2], '{"type":"deleted"}', digits(found.ttlMs), ARGV[3], ARGV[4]) end
return {'done', found.version}
`,
  { allowOom: true },
);

/** What {@linkcode deleteSession} takes. */
export interface DeleteSessionOptions {
  /** The session's document, and the stream of those who follow it. */
  readonly keys: { readonly document: string; readonly followed?: string };
  /** Whether documents are RedisJSON, or strings. */
  readonly asJson: boolean;
  /** What must hold of the session that is there: see `holds`. */
  readonly condition: string;
  /** How many entries and bytes the stream of followers may have. */
  readonly mailbox: { readonly entries: number; readonly bytes: number };
}

/** Deletes a session. */
export function deleteSession(
  connection: RedisConnection,
  options: DeleteSessionOptions,
): Promise<["done" | "moved", number?]> {
  const { keys, asJson, condition, mailbox } = options;
  return runScript(connection, DELETE, {
    keys: keys.followed === undefined ? [keys.document] : [keys.document, keys.followed],
    args: [asJson ? "1" : "", condition, String(mailbox.entries), String(mailbox.bytes)],
  }) as unknown as Promise<["done" | "moved", number?]>;
}
