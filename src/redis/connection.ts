/**
 * One connection to Redis that is always either working or on its way back.
 *
 * Invariants:
 * 1. A command that was written and not answered within its deadline means a dead link: the client is destroyed,
 *    all its commands reject with `UnavailableError` (their outcome is unknown), and a fresh client connects.
 * 2. No command waits for a connection: without one it rejects at once.
 * 3. Reconnection never gives up; its delays grow to 2 s, with jitter.
 *
 * @example
 * ```ts
 * const connection = await RedisConnection.open({ url });
 * await connection.send(["SET", "key", "value"]);
 * ```
 */
import { createClient, RESP_TYPES } from "redis";
import { UnavailableError } from "../errors.ts";

/** A command's words. */
export type Command = (string | Uint8Array)[];

/** A reply of Redis (RESP 2). */
export type Reply = string | number | null | Reply[];

/** How long a command that does not block may take, in milliseconds. */
const DEADLINE_MS = 5000;

/** What a connection is opened with. */
export interface ConnectionOptions {
  readonly url: string;
  /** Shown in `CLIENT LIST`. */
  readonly name?: string;
  /** How long the first connection is tried for, in milliseconds, 10,000 by default. */
  readonly patienceMs?: number;
  /** Hears of each loss and of each failure to come back. */
  readonly onError?: (error: unknown) => void;
}

type Client = ReturnType<typeof makeClient>;

/** A connection that reconnects for ever. */
export class RedisConnection {
  readonly #options: ConnectionOptions;
  readonly #onReady: (() => void | Promise<void>)[] = [];
  readonly #deadlines = new Map<number, number>();
  #client: Client;
  #watchdog: ReturnType<typeof setInterval>;
  #next = 0;
  #ready = false;
  #closed = false;
  #id = 0;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = this.#connect();
    this.#watchdog = setInterval(() => this.#watch(), 1000);
  }

  /** Connects. Throws `UnavailableError` when Redis cannot be reached for `patienceMs`. */
  static async open(options: ConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options);
    const { patienceMs = 10_000 } = options;
    const until = Date.now() + patienceMs;
    while (!connection.#ready) {
      if (Date.now() > until) {
        connection.close();
        throw new UnavailableError("Redis cannot be reached", { cause: connection.#lastError });
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return connection;
  }

  #lastError: unknown;

  /** True while commands can be sent. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The server's number of this connection, for `CLIENT UNBLOCK`. */
  get id(): number {
    return this.#id;
  }

  /** Calls back after every connection made from now on, before others may rely on it. */
  onReady(listener: () => void | Promise<void>): void {
    this.#onReady.push(listener);
  }

  /**
   * Sends one command. Rejects with `UnavailableError` when the link is down or breaks, with Redis's own error when
   * it refuses. `deadlineMs` must be longer than what the command may block.
   */
  async send<T extends Reply = Reply>(command: Command, options: { deadlineMs?: number } = {}): Promise<T> {
    return await this.use((client) => client.sendCommand(command as string[]), options) as T;
  }

  /** Runs commands of the client's own, under the same rules as {@linkcode send}. */
  async use<T>(work: (client: Client) => Promise<T>, options: { deadlineMs?: number } = {}): Promise<T> {
    if (!this.#ready) throw new UnavailableError("Redis is away", { cause: this.#lastError });
    const ticket = this.#next++;
    this.#deadlines.set(ticket, Date.now() + (options.deadlineMs ?? DEADLINE_MS));
    try {
      return await work(this.#client);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      this.#deadlines.delete(ticket);
    }
  }

  /** As {@linkcode send}, with bulk strings as bytes. */
  async sendForBytes(command: Command): Promise<Uint8Array | null> {
    const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
    const reply = await this.use((client) => client.sendCommand(command as string[], { typeMapping }));
    return reply as unknown as Uint8Array | null;
  }

  /** Closes at once; what is in flight rejects. */
  close(): void {
    this.#closed = true;
    this.#ready = false;
    clearInterval(this.#watchdog);
    if (this.#client.isOpen) this.#client.destroy();
  }

  /** Drops the link and makes a new one. */
  reset(): void {
    this.#ready = false;
    if (this.#closed) return;
    const old = this.#client;
    this.#client = this.#connect();
    if (old.isOpen) old.destroy();
  }

  #connect(): Client {
    const client = makeClient(this.#options);
    client.on("error", (error) => {
      this.#lastError = error;
      if (client === this.#client) this.#ready = false;
      this.#options.onError?.(error);
    });
    client.on("ready", async () => {
      try {
        const id = Number(await client.sendCommand(["CLIENT", "ID"]));
        if (client !== this.#client || this.#closed) return;
        this.#id = id;
        this.#ready = true;
        for (const listener of this.#onReady) await listener();
      } catch (error) {
        this.#options.onError?.(error);
        if (client === this.#client) setTimeout(() => client === this.#client && this.reset(), 200);
      }
    });
    client.connect().catch((error) => this.#lastError = error);
    return client;
  }

  #watch(): void {
    const now = Date.now();
    for (const deadline of this.#deadlines.values()) {
      if (deadline > now) continue;
      this.#deadlines.clear();
      this.#options.onError?.(new Error("Redis did not answer within the deadline"));
      this.reset();
      return;
    }
  }

  #explain(error: unknown): unknown {
    const message = error instanceof Error ? error.message : String(error);
    if (/^(READONLY|MASTERDOWN)/.test(message)) this.reset();
    const refused = /^(READONLY|MASTERDOWN|LOADING|MISCONF|OOM|TRYAGAIN|CLUSTERDOWN|BUSY )/.test(message);
    if (!refused && error instanceof Error && /^[A-Z]+ /.test(message)) return error;
    return new UnavailableError(refused ? `Redis refuses: ${message}` : "Redis went away", { cause: error });
  }
}

function makeClient({ url, name }: ConnectionOptions) {
  return createClient({
    url,
    ...(name === undefined ? {} : { name }),
    RESP: 2,
    maintNotifications: "disabled",
    disableOfflineQueue: true,
    commandsQueueMaxLength: 100_000,
    // With a timeout every command makes an AbortSignal, which costs three quarters of the throughput.
    commandOptions: { timeout: undefined as unknown as number },
    socket: {
      connectTimeout: 3000,
      noDelay: true,
      reconnectStrategy: (retries) => Math.min(2000, 50 * 2 ** Math.min(retries, 6)) * (0.5 + Math.random() / 2),
    },
  });
}
