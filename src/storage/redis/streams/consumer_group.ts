/**
 * Creates consumer groups, and removes idle consumers from them.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { forgetIdle } from "../scripts/forget_consumers.ts";

/** After how long a consumer with nothing pending is forgotten, in milliseconds. */
const FORGET_MS = 3_600_000;

/** Makes a consumer group from the stream's beginning, if it is not there. */
export async function makeGroup(connection: RedisConnection, stream: string, group: string): Promise<void> {
  try {
    await connection.send(["XGROUP", "CREATE", stream, group, "0", "MKSTREAM"]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("BUSYGROUP")) throw error;
  }
}

/** True for the error of a read whose group or stream is gone: create the group, and read again. */
export function isGroupGone(error: unknown): boolean {
  return error instanceof Error && /^(NOGROUP|UNBLOCKED)/.test(error.message);
}

/** Removes consumers that have been idle for an hour, without pending entries: each process leaves one behind. */
export async function forgetConsumers(
  connection: RedisConnection,
  stream: string,
  options: { group: string; idleMs?: number },
): Promise<number> {
  const { group, idleMs = FORGET_MS } = options;
  return await forgetIdle(connection, { keys: { stream }, group, idleMs });
}
