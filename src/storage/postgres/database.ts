/**
 * The connection to PostgreSQL: a small pool, a look at it every second while it is away, and no wait for what is known
 * to be away.
 *
 * Invariants:
 * 1. Nothing is sent before the tables are there: migrations come first, after every loss.
 * 2. While it is away every call fails at once, and none waits longer than its time.
 * 3. What fails by the link is `unavailable`; what fails by its data is `ArchiveRefusedError`.
 * 4. It is not away because all connections are in use, nor because others are in the way of its upkeep: partitions are
 *    made days before they are needed, and whoever needs one that is missing makes it.
 */
import pg from "pg";
import { UnavailableError } from "../../lib/errors.ts";
import { pause, unlessAborted, waitFor } from "../../lib/delay.ts";
import { type ArchiveHealth, ArchiveRefusedError } from "../../feed/archive.ts";
import { type Client, timed } from "./client.ts";
import { BusyError, isOfData, isPassing, isWrongHere, why } from "./failures.ts";
import { migrate } from "./migrate.ts";
import type { Partitions } from "./partitions.ts";

/** How many connections an instance has at most. */
const CONNECTIONS = 4;
const CONNECT_MS = 3000;
/**
 * How long a statement that reads, and one of a transaction, may take there, and how much later its answer may be here,
 * in milliseconds. A transaction has no time of its own: however much it stores, it goes on while it is answered.
 */
const READ_MS = 5000;
const WRITE_MS = 60_000;
const ANSWER_MS = 2000;
/**
 * How often it is asked whether it is there, by when it must have said so, how often partitions are looked after, and
 * how soon again where others were in the way: everybody else waits behind who waits for the tables.
 */
const LOOK_MS = 1000;
const PING_MS = 1500;
const UPKEEP_MS = 600_000;
const UPKEEP_AGAIN_MS = 60_000;

/** The source of a chunk failed, not the database; its `cause` is rethrown. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

/** Options of {@linkcode Database}. */
export interface DatabaseOptions {
  /** As `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Names the connections. */
  readonly instance: string;
  /** Makes and drops the partitions by day. */
  readonly partitions: Partitions;
  /** Called with errors in the background, after which it tries again. */
  readonly onError: (error: unknown) => void;
  /** After how long upkeep that others were in the way of is tried again, in milliseconds; default 60,000. */
  readonly upkeepAgainMs?: number | undefined;
  /** How long one statement of a transaction may take, in milliseconds; default 60,000. */
  readonly writeMs?: number | undefined;
}

/** A database that may be away. */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #pool: pg.Pool;
  readonly #writeMs: number;
  readonly #closed = new AbortController();
  /** Aborts what is under way when the database is lost: it would wait for an answer that does not come. */
  #link = new AbortController();
  /** Why it is away; `undefined` while it is there. */
  #away: string | undefined = "Not connected yet";
  #waiting = new Set<() => void>();
  /** How many connections are in use. */
  #inUse = 0;
  readonly #loop: Promise<void>;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#writeMs = options.writeMs ?? WRITE_MS;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      application_name: `millrace:${options.instance}`.slice(0, 63),
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      statement_timeout: READ_MS,
    });
    this.#pool.on("error", (error) => this.#lost(error));
    this.#loop = this.#look();
  }

  /** True once it is there; false after `timeoutMs`, or on abort. */
  async whenReady({ timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal }): Promise<boolean> {
    if (this.#away === undefined) return true;
    await waitFor((done) => {
      this.#waiting.add(done);
      return () => void this.#waiting.delete(done);
    }, { signal, timeoutMs });
    return this.#away === undefined && !signal.aborted;
  }

  /** One statement that reads. Throws `unavailable`. */
  async read<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    this.#refuseWhileAway();
    return await this.#guarded(() =>
      this.#withClient(async (client) => (await client.query<Row>(text, [...values])).rows, READ_MS + ANSWER_MS)
    );
  }

  /** Runs `work` as one transaction. Throws `unavailable`, `ArchiveRefusedError`, or what `work` throws of its own. */
  async transaction<T>(work: (client: Client) => Promise<T>): Promise<T> {
    this.#refuseWhileAway();
    return await this.#guarded(() =>
      this.#withClient(async (client) => {
        await client.query("BEGIN");
        await client.query(`SET LOCAL statement_timeout = ${this.#writeMs}`);
        const result = await work(client);
        await client.query("COMMIT");
        return result;
      }, this.#writeMs + ANSWER_MS)
    );
  }

  /** Runs `work` with a connection of its own, outside of a transaction. Throws `unavailable`. */
  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    this.#refuseWhileAway();
    return await this.#guarded(() => this.#withClient(work, this.#writeMs + ANSWER_MS));
  }

  async health(): Promise<ArchiveHealth> {
    if (this.#away !== undefined) return { status: "down", detail: this.#away };
    const startedAt = performance.now();
    try {
      await this.#ping();
      return { status: "up", latency: Math.round((performance.now() - startedAt) * 100) / 100 };
    } catch (error) {
      if ((error as Error).cause instanceof BusyError) return { status: "up" };
      return { status: "down", detail: why(error) };
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#loop;
    // Connections that hang are not waited for.
    await Promise.race([this.#pool.end().catch(() => {}), pause(1000)]);
  }

  #refuseWhileAway(): void {
    if (this.#away === undefined) return;
    throw new UnavailableError("The database of the history does not answer", { mayHaveHappened: false });
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof SourceError) throw error.cause;
      if (isWrongHere(error)) throw error;
      if (isOfData(error)) throw new ArchiveRefusedError(why(error), { cause: error });
      if (!isPassing(error)) this.#lost(error);
      throw new UnavailableError("The database of the history does not answer", { cause: error });
    }
  }

  /** Runs `work` with a connection, each of whose statements has `ms` milliseconds. */
  async #withClient<T>(work: (client: Client) => Promise<T>, ms: number): Promise<T> {
    const connection = await this.#connect();
    this.#inUse++;
    let broken = true;
    // A connection that is lost between two statements emits its error here.
    const onError = () => {};
    connection.on("error", onError);
    try {
      const result = await unlessAborted(this.#link.signal, () => work(timed(connection, ms)));
      broken = false;
      return result;
    } finally {
      connection.removeListener("error", onError);
      this.#inUse--;
      // A connection that failed is not used again: nobody knows what it still does.
      connection.release(broken);
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (this.#inUse < CONNECTIONS) throw error;
      throw new BusyError("All connections are in use", { cause: error });
    }
  }

  #lost(error: unknown): void {
    if (this.#away !== undefined || this.#closed.signal.aborted) return;
    this.#away = why(error);
    this.#link.abort(error);
    this.#link = new AbortController();
    this.#options.partitions.forget();
    this.#options.onError(error);
  }

  async #ping(): Promise<void> {
    await this.#guarded(() => this.#withClient((client) => client.query("SELECT 1"), PING_MS));
  }

  /** Reconnects while the database is down, and maintains partitions while it is up. */
  async #look(): Promise<void> {
    const { signal } = this.#closed;
    let upkeepAt = 0;
    let told = "";
    while (!signal.aborted) {
      const wasAway = this.#away !== undefined;
      if (wasAway || performance.now() >= upkeepAt) {
        try {
          const againMs = await this.#withClient(async (client) => {
            if (wasAway) await migrate(client);
            return await this.#keepUp(client);
          }, this.#writeMs + ANSWER_MS);
          upkeepAt = performance.now() + againMs;
          this.#away = undefined;
          told = "";
          for (const wake of this.#waiting) wake();
        } catch (error) {
          const reason = why(error);
          if (wasAway) this.#away = reason;
          else if (!isPassing(error)) this.#lost(error);
          if (wasAway && reason !== told) this.#options.onError(error);
          told = reason;
        }
      } else await this.#ping().catch(() => {});
      await pause(LOOK_MS, signal);
    }
  }

  /** Looks after the partitions; returns after how many milliseconds it is to be done again. */
  async #keepUp(client: Client): Promise<number> {
    const { partitions, onError, upkeepAgainMs = UPKEEP_AGAIN_MS } = this.#options;
    try {
      await partitions.maintain(client);
      return UPKEEP_MS;
    } catch (error) {
      if (!isPassing(error)) throw error;
      onError(error);
      return upkeepAgainMs;
    }
  }
}
