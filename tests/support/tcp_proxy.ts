/**
 * A TCP proxy whose connections can be cut, silenced, delayed or refused.
 *
 * @example
 * ```ts
 * await using proxy = await startProxy(redis.port);
 * const connection = await RedisConnection.open({ url: proxy.url });
 * proxy.silence();
 * ```
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A running proxy. */
export interface TcpProxy extends AsyncDisposable {
  readonly url: string;
  /** Number of open links, and of all links accepted so far. */
  readonly open: number;
  readonly accepted: number;
  /** Ends all open links. */
  cut(): void;
  /** Keeps open links open, without passing on anything in either direction; new links work. */
  silence(): void;
  /** Makes new links work, be accepted without passing on anything, or be ended at once. */
  newLinks(what: "work" | "silent" | "refused"): void;
  /**
   * Ends the link of the next request that contains `text`, before the server gets the request or the client gets the
   * answer. From then on new links are refused. Resolves when that has happened.
   */
  cutAt(text: string, where: "request" | "answer"): Promise<void>;
  /** Delays all data in both directions, in milliseconds. */
  delay(ms: number): void;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket | undefined;
  silent: boolean;
  /** Set when the request has been passed on whose answer is to be dropped. */
  trapped?: () => void;
  /** Delayed data for each end of the link. */
  readonly kept: Map<Socket, { at: number; data: Uint8Array }[]>;
}

/** Starts a proxy of `port` on 127.0.0.1. */
export async function startProxy(port: number): Promise<TcpProxy> {
  const links = new Set<Link>();
  let accepted = 0;
  let mode: "work" | "silent" | "refused" = "work";
  let delayMs = 0;
  let trap: { text: string; where: "request" | "answer"; sprung: () => void } | undefined;
  const end = ({ client, server }: Link) => {
    client.destroy();
    server?.destroy();
  };
  /** True for data that must not be passed on. */
  const springs = (link: Link, data: Uint8Array, to: Socket): boolean => {
    if (link.trapped !== undefined) {
      if (to !== link.client) return false;
      // This may answer an earlier request: the server reads all that it was sent before it sees that the link ends.
      link.silent = true;
      link.server!.once("close", link.trapped).end();
      link.client.destroy();
      return true;
    }
    if (trap === undefined || to !== link.server || !Buffer.from(data).includes(trap.text)) return false;
    const { where, sprung } = trap;
    trap = undefined;
    mode = "refused";
    if (where === "answer") {
      link.trapped = sprung;
      return false;
    }
    end(link);
    sprung();
    return true;
  };
  const pass = (link: Link, data: Uint8Array, to: Socket) => {
    if (link.silent || springs(link, data, to)) return;
    const kept = link.kept.get(to) ?? [];
    // Data is never sent before earlier data that is still delayed.
    if (delayMs === 0 && kept.length === 0) return to.write(data);
    link.kept.set(to, kept);
    kept.push({ at: performance.now() + delayMs, data });
    if (kept.length === 1) setTimeout(() => release(link, to), delayMs);
  };
  const release = (link: Link, to: Socket) => {
    const kept = link.kept.get(to)!;
    while (kept.length > 0 && (kept[0]!.at <= performance.now() || to.destroyed || link.silent)) {
      const { data } = kept.shift()!;
      if (!to.destroyed && !link.silent) to.write(data);
    }
    if (kept.length > 0) setTimeout(() => release(link, to), kept[0]!.at - performance.now() + 1);
  };
  const listener = createServer((client) => {
    accepted++;
    client.on("error", () => {});
    if (mode === "refused") return client.destroy();
    const server = mode === "silent" ? undefined : connect(port, "127.0.0.1").setNoDelay();
    const link: Link = { client: client.setNoDelay(), server, silent: server === undefined, kept: new Map() };
    links.add(link);
    // On a silent link neither side sees that the other has closed.
    client.on("close", () => {
      links.delete(link);
      if (!link.silent) server?.destroy();
    });
    client.on("data", (data) => server && pass(link, data, server));
    server?.on("error", () => {}).on("data", (data) => pass(link, data, client)).on("close", () => {
      if (!link.silent) client.destroy();
    });
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const silenced: Socket[] = [];
  const address = listener.address() as { port: number };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    get open() {
      return links.size;
    },
    get accepted() {
      return accepted;
    },
    cut: () => {
      for (const link of links) end(link);
    },
    cutAt: (text, where) => new Promise((sprung) => trap = { text, where, sprung }),
    silence: () => {
      for (const link of links) {
        link.silent = true;
        if (link.server !== undefined) silenced.push(link.server);
      }
    },
    newLinks: (what) => mode = what,
    delay: (ms) => delayMs = ms,
    [Symbol.asyncDispose]: async () => {
      for (const link of links) end(link);
      for (const server of silenced) server.destroy();
      listener.close();
      await once(listener, "close");
    },
  };
}
