/**
 * Consumer groups: made where they are missing, and rid of the consumers that are gone.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** After how long a consumer with nothing pending is forgotten, in milliseconds. */
const FORGET_MS = 3_600_000;

const FORGET_CONSUMERS = defineScript(`
-- KEYS  1 stream
-- ARGV  1 group  2 for how long a consumer must have been idle (ms)
-- Reply how many were forgotten. One with pending entries never is: they would be lost with it
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 0 end
local forgotten = 0
for _, words in ipairs(consumers) do
  local consumer = {}
  for i = 1, #words, 2 do consumer[words[i]] = words[i + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
`);

/** Makes a consumer group from the stream's beginning, if it is not there. */
export async function makeGroup(connection: RedisConnection, stream: string, group: string): Promise<void> {
  try {
    await connection.send(["XGROUP", "CREATE", stream, group, "0", "MKSTREAM"]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("BUSYGROUP")) throw error;
  }
}

/** True for what a read says when its group, or the whole stream, is gone: make it again, and read again. */
export function isGroupGone(error: unknown): boolean {
  return error instanceof Error && /^(NOGROUP|UNBLOCKED)/.test(error.message);
}

/** Forgets consumers that nobody has used for an hour: every process that was ever started leaves one. */
export async function forgetConsumers(
  connection: RedisConnection,
  stream: string,
  options: { group: string; idleMs?: number },
): Promise<number> {
  const { group, idleMs = FORGET_MS } = options;
  return await runScript<number>(connection, FORGET_CONSUMERS, { keys: [stream], args: [group, String(idleMs)] });
}
