/**
 * A TCP proxy of Redis that ends its links at a chosen command, after all earlier commands were answered.
 *
 * @example
 * ```ts
 * await using proxy = await startCuttingProxy(redis.port);
 * proxy.cutAtCommand(3, "reply");
 * ```
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** How long earlier commands have to be answered before the cut, in milliseconds. */
const ANSWERED_MS = 50;

/** A running proxy. */
export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
  /**
   * Ends all links at the n-th command (counted from 1) that clients send from now on: before the server gets it, or
   * with `"reply"` after the server has it and before its reply is passed on. New links work. Call it when no command is
   * pending.
   */
  cutAtCommand(n: number, when: "before" | "reply"): void;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** The beginning of a command that the client has not yet sent completely. */
  partial: Buffer;
}

/** Starts a proxy of `port` on 127.0.0.1. */
export async function startCuttingProxy(port: number): Promise<CuttingProxy> {
  const links = new Set<Link>();
  let countdown: { left: number; when: "before" | "reply" } | undefined;
  const end = (link: Link) => {
    links.delete(link);
    link.client.destroy();
    // destroySoon() lets the server read what was sent before the link ends.
    link.server.destroySoon();
  };
  const cut = (old: readonly Link[], last: () => void) =>
    setTimeout(() => {
      for (const link of old) link.client.destroy();
      last();
      for (const link of old) end(link);
    }, ANSWERED_MS);
  const sent = (link: Link, data: Buffer) => {
    link.partial = Buffer.concat([link.partial, data]);
    for (let at = endOfCommand(link.partial); at !== undefined; at = endOfCommand(link.partial)) {
      const command = link.partial.subarray(0, at);
      link.partial = link.partial.subarray(at);
      if (countdown === undefined || --countdown.left > 0) {
        link.server.write(command);
        continue;
      }
      const { when } = countdown;
      countdown = undefined;
      const old = [...links];
      // Later commands on these links are dropped.
      for (const each of old) each.client.removeAllListeners("data").resume();
      cut(old, () => when === "reply" && link.server.write(command));
      return;
    }
  };
  const listener = createServer((client) => {
    const server = connect(port, "127.0.0.1").setNoDelay();
    const link: Link = { client: client.setNoDelay(), server, partial: Buffer.alloc(0) };
    links.add(link);
    client.on("error", () => {}).on("close", () => end(link)).on("data", (data) => sent(link, data));
    server.on("error", () => {}).on("data", (data) => client.write(data)).on("close", () => end(link));
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    cutAtCommand: (n, when) => countdown = { left: n, when },
    [Symbol.asyncDispose]: async () => {
      for (const link of links) end(link);
      listener.close();
      await once(listener, "close");
    },
  };
}

/** The end of the first command, a RESP array of bulk strings; `undefined` while it is incomplete. */
function endOfCommand(data: Buffer): number | undefined {
  let at = 0;
  const number = () => {
    const end = data.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const value = Number(data.toString("latin1", at + 1, end));
    at = end + 2;
    return value;
  };
  const words = number();
  if (words === undefined) return undefined;
  for (let i = 0; i < words; i++) {
    const length = number();
    if (length === undefined || data.length < at + length + 2) return undefined;
    at += length + 2;
  }
  return at;
}
