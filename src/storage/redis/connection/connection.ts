/**
 * One connection to Redis that is always either working or on its way back.
 *
 * Invariants:
 * 1. There is one client at most, and it lives for one link: whatever ends the link destroys the client, all its
 *    commands reject with `UnavailableError` (their outcome is unknown), and a new client is made after a delay.
 * 2. Silence ends a link: a command without an answer at its deadline, a step of the handshake without one. Time
 *    during which this process was stopped does not count.
 * 3. No command waits for a link: without one it rejects at once.
 * 4. Reconnection never gives up ({@linkcode Backoff}); it is ready once the server answers, its data loaded.
 *
 * @example
 * ```ts
 * const connection = await RedisConnection.open({ url });
 * await connection.send(["SET", "key", "value"]);
 * ```
 */
import { RESP_TYPES } from "redis";
import { UnavailableError } from "../../../lib/errors.ts";
import { pause } from "../../../lib/delay.ts";
import { Backoff } from "./backoff.ts";
import { type Client, makeClient } from "./client.ts";
import { DEADLINE_MS, Deadlines, HANDSHAKE_MS, LivedTime, TICK_MS } from "./deadlines.ts";
import { Readiness } from "./readiness.ts";
import { errorOf, isStarting, refusalOf } from "./refusal.ts";

/** A command's words. */
export type Command = (string | Uint8Array)[];

/** A reply of Redis (RESP 2). */
export type Reply = string | number | null | Reply[];

/** How often a server that loads its data is asked again, in milliseconds. */
const LOADING_MS = 100;

/** What a connection is opened with. */
export interface ConnectionOptions {
  /** As `redis://[[user]:password@]host[:port][/database]`. */
  readonly url: string;
  /** Shown in `CLIENT LIST`. */
  readonly name?: string;
  /** How long the first connection is tried for, in milliseconds, 10,000 by default. */
  readonly connectTimeoutMs?: number;
  /** Hears of each loss, and of what keeps it from coming back whenever that changes. */
  readonly onError?: (error: unknown) => void;
}

/** A connection that reconnects for ever. */
export class RedisConnection {
  readonly #options: ConnectionOptions;
  readonly #onReady: (() => void | Promise<void>)[] = [];
  readonly #readiness = new Readiness();
  readonly #lived = new LivedTime();
  readonly #deadlines = new Deadlines(this.#lived);
  readonly #backoff = new Backoff();
  readonly #watchdog: ReturnType<typeof setInterval>;
  #client: Client | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #id = 0;
  /** Lived time at which the handshake's step is overdue, and at which the link became ready. */
  #handshakeUntil = 0;
  #readyAt = 0;
  #lastError: unknown;
  #reported: string | undefined;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#connect();
    this.#watchdog = setInterval(() => this.#watch(), TICK_MS);
  }

  /** Connects. Throws `UnavailableError` when Redis cannot be reached for `connectTimeoutMs`. */
  static async open(options: ConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options);
    if (await connection.whenReady({ timeoutMs: options.connectTimeoutMs ?? 10_000 })) return connection;
    connection.close();
    throw new UnavailableError("Redis cannot be reached", { cause: connection.#lastError });
  }

  /** True while commands can be sent. */
  get ready(): boolean {
    return this.#readiness.ready;
  }

  /** True once it was closed: it will not be back. */
  get closed(): boolean {
    return this.#readiness.closed;
  }

  /** The server's number of this connection, for `CLIENT UNBLOCK`. */
  get id(): number {
    return this.#id;
  }

  /** What ended the last link, or kept the next one from being made. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Calls back after every connection made from now on, before those who wait for its {@linkcode whenReady}. */
  onReady(listener: () => void | Promise<void>): void {
    this.#onReady.push(listener);
  }

  /** Waits until it is ready; false when it is not after `timeoutMs`, on abort, and once closed. */
  whenReady(options: { timeoutMs: number; signal?: AbortSignal }): Promise<boolean> {
    return this.#readiness.wait(options);
  }

  /**
   * Sends one command. Rejects with `UnavailableError` when the link is down or breaks or the server cannot do it now,
   * with Redis's own error when the command is at fault. `deadlineMs` must be longer than what the command may block.
   */
  async send<T extends Reply = Reply>(command: Command, options: { deadlineMs?: number } = {}): Promise<T> {
    const client = this.#usable();
    const ticket = this.#deadlines.add(options.deadlineMs ?? DEADLINE_MS);
    try {
      return await client.sendCommand(command as string[]) as T;
    } catch (error) {
      throw this.#explain(client, error);
    } finally {
      this.#deadlines.delete(ticket);
    }
  }

  /** Runs commands of the client's own, under the same rules as {@linkcode send}. */
  async use<T>(work: (client: Client) => Promise<T>, options: { deadlineMs?: number } = {}): Promise<T> {
    const client = this.#usable();
    const ticket = this.#deadlines.add(options.deadlineMs ?? DEADLINE_MS);
    try {
      return await work(client);
    } catch (error) {
      throw this.#explain(client, error);
    } finally {
      this.#deadlines.delete(ticket);
    }
  }

  #usable(): Client {
    if (this.#client !== undefined && this.ready) return this.#client;
    throw new UnavailableError("Redis is away", { cause: this.#lastError, mayHaveHappened: false });
  }

  /** As {@linkcode send}, with bulk strings as bytes. */
  async sendForBytes<T = Uint8Array | null>(command: Command): Promise<T> {
    const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
    return await this.use((client) => client.sendCommand(command as string[], { typeMapping })) as unknown as T;
  }

  /** Drops the link and makes a new one. */
  reset(reason = "the link was dropped"): void {
    if (this.#client !== undefined) this.#lose(this.#client, new Error(reason));
  }

  /** Closes at once; what is in flight rejects. */
  close(): void {
    clearInterval(this.#watchdog);
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    client?.destroy();
    this.#readiness.close();
  }

  #connect(): void {
    const client = makeClient(this.#options);
    this.#client = client;
    this.#backoff.start();
    this.#handshakeUntil = this.#lived.now + HANDSHAKE_MS;
    client.on("error", (error) => this.#lose(client, error));
    client.on("connect", () => {
      // Destroyed while TCP was connecting: its socket is there only now.
      if (client === this.#client) this.#handshakeUntil = this.#lived.now + HANDSHAKE_MS;
      else client.destroy();
    });
    client.on("ready", () => void this.#arrive(client));
    client.connect().catch((error) => this.#lose(client, error));
  }

  async #arrive(client: Client): Promise<void> {
    try {
      const id = Number(await client.sendCommand(["CLIENT", "ID"]));
      while (client === this.#client && !(await this.#answers(client))) await pause(LOADING_MS);
      if (client !== this.#client) return;
      this.#id = id;
    } catch (error) {
      return this.#lose(client, error);
    }
    this.#readyAt = this.#lived.now;
    this.#reported = undefined;
    this.#readiness.arrive(() => {
      for (const listener of this.#onReady) this.#call(listener);
    });
  }

  async #answers(client: Client): Promise<boolean> {
    this.#handshakeUntil = this.#lived.now + HANDSHAKE_MS;
    try {
      await client.sendCommand(["PING"]);
      return true;
    } catch (error) {
      if (!isStarting(error)) throw error;
      this.#report(error);
      return false;
    }
  }

  async #call(listener: () => void | Promise<void>): Promise<void> {
    try {
      await listener();
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  /** The end of a link (invariant 1). Only its first cause counts. */
  #lose(client: Client, error: unknown): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    this.#readiness.lose();
    this.#report(error);
    client.destroy();
    this.#retry = setTimeout(() => this.#connect(), this.#backoff.lose());
  }

  #watch(): void {
    const now = this.#lived.tick();
    const client = this.#client;
    if (client === undefined) return;
    if (!this.ready) {
      if (now > this.#handshakeUntil) this.#lose(client, new Error("Redis did not answer a new connection"));
      return;
    }
    this.#backoff.held(now - this.#readyAt);
    if (this.#deadlines.isOverdue) this.#lose(client, new Error("Redis did not answer within the deadline"));
  }

  #explain(client: Client, error: unknown): unknown {
    if (refusalOf(error) === "relink") this.#lose(client, error);
    return errorOf(error, this.#lastError);
  }

  #report(error: unknown): void {
    this.#lastError = error;
    const { code, message = "" } = error as { code?: string; message?: string };
    if (this.#reported === `${code} ${message}`) return;
    this.#reported = `${code} ${message}`;
    this.#options.onError?.(error);
  }
}
