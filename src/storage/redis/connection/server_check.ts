/**
 * Refuses a Redis that cannot be trusted with the work: one too old, or one that throws data away when it is full.
 */
import { ErrorReply } from "redis";
import type { RedisConnection } from "./connection.ts";

/** The oldest Redis that will do. */
const OLDEST_MAJOR = 7;

/**
 * Throws an `Error` whose message, in one line, goes on after "Cannot use Redis at …:". Asks by `INFO`, so it works
 * where `CONFIG` is forbidden. What a server does not report, or does not let us ask, is let through.
 */
export async function checkServer(connection: RedisConnection): Promise<void> {
  const info = await readInfo(connection);
  const version = info.get("redis_version");
  if (version !== undefined && Number.parseInt(version) < OLDEST_MAJOR) {
    throw new Error(`its version is ${version}, and ${OLDEST_MAJOR}.0 is the oldest that will do`);
  }
  const policy = info.get("maxmemory_policy");
  if (policy !== undefined && policy !== "noeviction") {
    throw new Error(
      `its maxmemory-policy is ${policy}, which drops data under memory pressure: set it to noeviction`,
    );
  }
}

/** `INFO` as names and values; empty where it is forbidden. */
async function readInfo(connection: RedisConnection): Promise<Map<string, string>> {
  try {
    const text = await connection.send<string>(["INFO"]);
    return new Map(Array.from(text.matchAll(/^(\w+):(.*?)\r?$/gm), ([, name = "", value = ""]) => [name, value]));
  } catch (error) {
    if (error instanceof ErrorReply) return new Map();
    throw error;
  }
}
