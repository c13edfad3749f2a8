/**
 * Keeps a progress document, unless a newer one is there.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Compares and sets, with RedisJSON and without. */
export const PUT_DOCUMENT = defineScript(`
-- KEYS  1 document
-- ARGV  1 'RedisJSON' or 'strings'  2 document, with the member upTo (JSON)  3 upTo  4 when it expires (ms since the epoch)
-- Reply 1, or 0 when one is there that has as much of the log or more
local isJson = ARGV[1] == 'RedisJSON'
local kept, upTo
if isJson then
  kept = redis.call('JSON.GET', KEYS[1], '$.upTo')
  upTo = kept and cjson.decode(kept)[1]
else
  kept = redis.call('GET', KEYS[1])
  upTo = kept and cjson.decode(kept).upTo
end
if upTo then
  local function place(id) return tonumber(string.match(id, '^(%d+)')), tonumber(string.match(id, '%-(%d+)$') or 0) end
  local ms, count = place(upTo)
  local newMs, newCount = place(ARGV[3])
  if ms > newMs or ms == newMs and count >= newCount then return 0 end
end
if isJson then redis.call('JSON.SET', KEYS[1], '$', ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2]) end
redis.call('PEXPIREAT', KEYS[1], ARGV[4])
return 1
`);

/** What {@linkcode putDocument} takes. */
export interface PutDocumentOptions {
  /** The progress document. */
  readonly keys: { readonly document: string };
  /** How documents are kept. */
  readonly kind: "RedisJSON" | "strings";
  /** The document; `upTo` is the log entry up to which it was made. */
  readonly document: { readonly upTo: string };
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Keeps a document; false when a newer one is there. */
export async function putDocument(connection: RedisConnection, options: PutDocumentOptions): Promise<boolean> {
  const { keys, kind, document, expiresAt } = options;
  const written = await runScript<number>(connection, PUT_DOCUMENT, {
    keys: [keys.document],
    args: [kind, JSON.stringify(document), document.upTo, String(Math.round(expiresAt))],
  });
  return written === 1;
}
