/**
 * Consumer groups: made where they are missing, and rid of the consumers that are gone.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { isFull } from "../connection/refusal.ts";
import { readGroups } from "./stream_info.ts";
import { forgetIdle } from "../scripts/forget_consumers.ts";

/** After how long a consumer with nothing pending is forgotten, in milliseconds. */
const FORGET_MS = 3_600_000;

/** Makes a consumer group from the stream's beginning, if it is not there. */
export async function makeGroup(connection: RedisConnection, stream: string, group: string): Promise<void> {
  try {
    await connection.send(["XGROUP", "CREATE", stream, group, "0", "MKSTREAM"]);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("BUSYGROUP")) return;
    // A server that is full refuses before it looks.
    if (!isFull(error) || !await hasGroup(connection, stream, group)) throw error;
  }
}

async function hasGroup(connection: RedisConnection, stream: string, group: string): Promise<boolean> {
  return (await readGroups(connection, stream))?.some((it) => it.get("name") === group) ?? false;
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
  return await forgetIdle(connection, { keys: { stream }, group, idleMs });
}
