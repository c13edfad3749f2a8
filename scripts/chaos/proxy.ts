/**
 * A TCP proxy between one instance and Redis, whose links can be cut, taken down, half-opened, delayed, robbed of their
 * replies and orphaned.
 *
 * @example
 * ```ts
 * await using proxy = await ChaosProxy.open(6379);
 * proxy.delayMs = 100;
 * ```
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How long Redis keeps its end of a link that died without a word, in milliseconds. */
const DEAD_KEPT_MS = 20_000;

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  /** Nothing passes any more, and neither end is told. */
  dead: boolean;
  /** What Redis says is lost; what it is told arrives. */
  deaf: boolean;
}

/** One instance's way to Redis. */
export class ChaosProxy implements AsyncDisposable {
  readonly port: number;
  /** How late everything arrives, in each direction, in milliseconds; the order is kept. */
  delayMs = 0;
  readonly #server: Server;
  /** Where new links go. */
  target: number;
  readonly #links = new Set<Link>();
  #hold: { readonly texts: readonly string[]; readonly resolve: () => void } | undefined;
  #mode: "pass" | "down" | "halfOpen" = "pass";

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.target = target;
    this.port = (server.address() as { port: number }).port;
    server.on("connection", (near) => this.#accept(near));
  }

  /** Listens on a free port of 127.0.0.1 and passes on to `target`. */
  static async open(target: number): Promise<ChaosProxy> {
    const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ChaosProxy(server, target);
  }

  /** Loses what is under way for `lostMs`, then resets every link; new ones pass at once. */
  async cut(lostMs: number): Promise<void> {
    const links = [...this.#links];
    for (const link of links) link.dead = true;
    await sleep(lostMs);
    for (const link of links) this.#drop(link);
  }

  /** Lets commands arrive and loses their replies for `forMs`, then resets every link: nobody knows what was done. */
  async loseReplies(forMs: number): Promise<void> {
    const links = [...this.#links];
    for (const link of links) link.deaf = true;
    await sleep(forMs);
    for (const link of links) this.#drop(link);
  }

  /**
   * Passes on what the instance says until a chunk has one of `texts` in it, and from that one on nothing; resolves then,
   * and after `mostMs`.
   */
  async holdBefore(texts: readonly string[], mostMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#hold = { texts, resolve };
      setTimeout(resolve, mostMs);
    });
    this.#hold = undefined;
  }

  /** Resets every link on the instance's side alone: Redis takes each to be alive, and answers what was asked. */
  orphan(): void {
    for (const link of this.#links) {
      link.deaf = true;
      link.dead = true;
      link.near.resetAndDestroy();
      setTimeout(() => this.#drop(link), DEAD_KEPT_MS).unref();
    }
  }

  /** Resets every link, and every new one, until {@linkcode restore}. */
  takeDown(): void {
    this.#mode = "down";
    for (const link of this.#links) this.#drop(link);
  }

  /** Passes nothing on and closes nothing. What is open now, or opened before {@linkcode restore}, is dead for ever. */
  halfOpen(): void {
    this.#mode = "halfOpen";
    for (const link of this.#links) this.#kill(link);
  }

  /** Lets new links pass, without delay. */
  restore(): void {
    this.#mode = "pass";
    this.delayMs = 0;
  }

  /** Closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) this.#drop(link);
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(near: Socket): void {
    near.on("error", () => {});
    if (this.#mode === "down") return void near.resetAndDestroy();
    const far = connect({ port: this.target, host: "127.0.0.1", noDelay: true });
    const link: Link = { near, far, dead: false, deaf: false };
    this.#links.add(link);
    far.on("error", () => {});
    if (this.#mode === "halfOpen") this.#kill(link);
    this.#pass(link, near, far);
    this.#pass(link, far, near);
  }

  /** Hands chunks on, each at its time and in their order; the end of one side ends the other, after all it sent. */
  #pass(link: Link, from: Socket, to: Socket): void {
    const queue: { dueAt: number; work: () => void }[] = [];
    const drain = () => {
      for (let next = queue[0]; next !== undefined; next = queue[0]) {
        const waitMs = next.dueAt - performance.now();
        if (waitMs > 0) return void setTimeout(drain, Math.ceil(waitMs));
        queue.shift();
        if (!link.dead) next.work();
      }
    };
    const later = (work: () => void) => {
      queue.push({ dueAt: performance.now() + this.delayMs, work });
      if (queue.length === 1) drain();
    };
    from.on("data", (chunk: Uint8Array) => {
      const hold = this.#hold;
      if (from === link.near && hold?.texts.some((text) => Buffer.from(chunk).includes(text))) {
        link.dead = true;
        hold.resolve();
      }
      later(() => {
        if (to.writable && !(link.deaf && to === link.near)) to.write(chunk);
      });
    });
    from.on("close", () => later(() => this.#drop(link)));
  }

  #kill(link: Link): void {
    link.dead = true;
    setTimeout(() => this.#drop(link), DEAD_KEPT_MS).unref();
  }

  #drop(link: Link): void {
    this.#links.delete(link);
    for (const socket of [link.near, link.far]) {
      if (!socket.destroyed) socket.connecting ? socket.destroy() : socket.resetAndDestroy();
    }
  }
}
