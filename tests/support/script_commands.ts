/**
 * Counts the commands that scripts call inside Redis, by MONITOR.
 *
 * @example
 * ```ts
 * const scripts = await watchScripts(redis.url, { append: APPEND });
 * await append(connection, options);
 * const { append: calls } = await scripts.counts();
 * scripts.stop();
 * ```
 */
import { once } from "node:events";
import { connect } from "node:net";
import type { Script } from "../../src/storage/redis/connection/script.ts";

/** The counts of {@linkcode watchScripts}. */
export interface WatchedScripts<Name extends string> {
  /** Number of commands that each script has called so far, over all its runs. */
  counts(): Promise<Record<Name, number>>;
  /** Names of these commands, in their order, for each script. */
  called(): Promise<Record<Name, string[]>>;
  stop(): void;
}

/** Starts counting. The server should be the test's own, since MONITOR reports every client's commands. */
export async function watchScripts<Name extends string>(
  url: string,
  scripts: Readonly<Record<Name, Script>>,
): Promise<WatchedScripts<Name>> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  // Loaded scripts are called by their digest.
  for (const { source } of Object.values<Script>(scripts)) {
    socket.write(`*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$${Buffer.byteLength(source)}\r\n${source}\r\n`);
  }
  const names = new Map(Object.entries<Script>(scripts).map(([name, { sha1 }]) => [sha1, name as Name]));
  const called = Object.fromEntries([...names.values()].map((name) => [name, []])) as unknown as Record<Name, string[]>;
  let running: Name | undefined;
  let text = "";
  let heard = () => {};
  const take = (line: string) => {
    const command = /^\+[\d.]+ \[\d+ (\S+)\] "([^"]+)"(?: "([^"]*)")?/.exec(line);
    if (command === null) return;
    const [, from, name = "", first = ""] = command;
    if (from === "lua") { if (running !== undefined) called[running].push(name.toLowerCase()); }
    else running = /^evalsha$/i.test(name) ? names.get(first) : undefined;
    if (name.toLowerCase() === "echo") heard();
  };
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    const lines = (text + chunk).split("\r\n");
    text = lines.pop()!;
    for (const line of lines) take(line);
  });
  const begun = new Promise<void>((resolve) => heard = resolve);
  socket.write("MONITOR\r\nECHO now\r\n");
  await begun;
  /** Waits until MONITOR has reported a command of this connection: then it has reported all earlier ones. */
  const caughtUp = async () => {
    const told = new Promise<void>((resolve) => heard = resolve);
    const own = connect(Number(port), hostname);
    own.end("ECHO now\r\n");
    await told;
  };
  return {
    called: async () => {
      await caughtUp();
      return called;
    },
    counts: async () => {
      await caughtUp();
      return Object.fromEntries(
        Object.entries<string[]>(called).map(([name, calls]) => [name, calls.length]),
      ) as Record<
        Name,
        number
      >;
    },
    stop: () => socket.destroy(),
  };
}
