/**
 * Lua scripts as typed data: a source, its digest, and one way to send them.
 */
import { createHash } from "node:crypto";
import type { Command, RedisConnection, Reply } from "./connection.ts";

/** A script; its source documents KEYS, ARGV and reply at its head. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** Prepares a script; with `allowOom` it may write to a server that is full: for what ends work, or is small. */
export function defineScript(body: string, { allowOom = false }: { allowOom?: boolean } = {}): Script {
  const source = allowOom ? `#!lua flags=allow-oom\n${body}` : body;
  return { source, sha1: createHash("sha1").update(source).digest("hex") };
}

/** Runs a script by its digest, and by its source where the server has not seen it. */
export function runScript<T extends Reply = Reply>(
  connection: RedisConnection,
  script: Script,
  options: { keys: readonly string[]; args: Command },
): Promise<T> {
  const { keys, args } = options;
  const command = (["EVALSHA", script.sha1, String(keys.length)] as Command).concat(keys, args);
  return connection.send<T>(command).catch((error) => {
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return connection.send<T>(["EVAL", script.source, ...command.slice(2)]);
  });
}
