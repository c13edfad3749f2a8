/**
 * The current state of a stream.
 */
import type { RedisConnection, Reply } from "../connection/connection.ts";
import { parseInfo } from "./stream_replies.ts";

/** What `XINFO STREAM` says of a stream. */
export interface StreamInfo {
  /** The newest id it ever gave. */
  readonly lastId: string;
  /** Of the oldest entry that is there; `undefined` when it is empty. */
  readonly firstId: string | undefined;
  /** Nothing was ever taken out of it. */
  readonly isWhole: boolean;
}

/** Asks for a stream; `undefined` when there is none. */
export async function readStreamInfo(
  connection: RedisConnection,
  stream: string,
  options: { deadlineMs?: number } = {},
): Promise<StreamInfo | undefined> {
  const reply = await orMissing(connection.send(["XINFO", "STREAM", stream], options));
  if (reply === undefined) return undefined;
  const info = parseInfo(reply);
  const first = info.get("first-entry") as [string, Reply] | null;
  return {
    lastId: info.get("last-generated-id") as string,
    firstId: first?.[0],
    isWhole: info.get("entries-added") === info.get("length"),
  };
}

/** Asks for a stream's consumer groups, as `XINFO GROUPS` names their parts; `undefined` when there is no stream. */
export async function readGroups(
  connection: RedisConnection,
  stream: string,
): Promise<ReadonlyMap<string, Reply>[] | undefined> {
  const reply = await orMissing(connection.send<Reply[]>(["XINFO", "GROUPS", stream]));
  return reply?.map(parseInfo);
}

async function orMissing<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("ERR no such key")) return undefined;
    throw error;
  }
}
