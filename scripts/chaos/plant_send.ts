/**
 * Between the product and Redis: what is sent can be changed, scripts line by line.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Command, RedisConnection, type Reply } from "../../src/storage/redis/connection/connection.ts";
import type { Edit } from "./plant_scripts.ts";

/** How a connection sends. */
export type Send = (command: Command, options?: { deadlineMs?: number }) => Promise<Reply>;

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

/** Sends through `wrapped`, which is given how to send on. */
export function wrapSend(
  wrapped: (send: Send, command: Command, options: { deadlineMs?: number } | undefined) => Promise<Reply>,
): void {
  const send = RedisConnection.prototype.send as Send;
  RedisConnection.prototype.send = function (this: RedisConnection, command: Command, options?: {
    deadlineMs?: number;
  }) {
    return wrapped((words, more) => send.call(this, words, more), command, options);
  } as typeof RedisConnection.prototype.send;
}

/**
 * Changes scripts on their way: a script is asked for by its digest first, which is told to be unknown, so that its
 * source comes by.
 *
 * @param options.more arguments to add to those of scripts that were changed
 */
export function editScripts(edits: readonly Edit[], { more = () => [] }: { more?: () => string[] } = {}): void {
  for (const { find } of edits) mustFind(find);
  /** By the digest that the product knows: that of what is sent, and whether that is another. */
  const sent = new Map<string, { sha1: string; changed: boolean }>();
  wrapSend(async (send, command, options) => {
    const [name, text = "", ...rest] = command;
    if (name === "EVAL") {
      const source = edits.reduce((text, { find, put }) => text.replace(find, put), String(text));
      const changed = source !== text;
      sent.set(digest(String(text)), { sha1: digest(source), changed });
      return await send([name, source, ...rest, ...(changed ? more() : [])], options);
    }
    if (name !== "EVALSHA") return await send(command, options);
    const known = sent.get(String(text));
    if (known === undefined) throw new Error("NOSCRIPT its source has not come by yet");
    return await send([name, known.sha1, ...rest, ...(known.changed ? more() : [])], options);
  });
}

/** Ends the process unless the product's source has what a plant patches, so that no plant goes stale unseen. */
export function mustFind(pattern: RegExp): void {
  const names = readdirSync(SOURCES, { recursive: true }).map(String).filter((name) => name.endsWith(".ts"));
  if (names.some((name) => pattern.test(readFileSync(`${SOURCES}/${name}`, "utf8")))) return;
  throw new Error(`The plant ${process.env.MILLRACE_PLANT} is stale: nothing in src/ matches ${pattern}`);
}

function digest(source: string): string {
  return createHash("sha1").update(source).digest("hex");
}
