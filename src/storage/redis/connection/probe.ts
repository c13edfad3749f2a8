/**
 * Tells whether Redis can be worked with now: whether it takes a write, over the connection that the work goes over.
 *
 * Invariants:
 * 1. A write that a full, broken or read-only Redis refuses is the probe: a ping would say that all is well.
 * 2. One probe is under way at most. One that goes unanswered ends the link, and with it all that waits on it.
 * 3. It is usable again with the first write that succeeds, asked for as soon as the link is back.
 *
 * @example
 * ```ts
 * const probe = new Probe({ connection, key: "mr:probe:a" });
 * if (!probe.usable) console.log(probe.reason);
 * probe.stop();
 * ```
 */
import { ErrorReply } from "redis";
import { UnavailableError } from "../../../lib/errors.ts";
import { reasonOf } from "../../../lib/reason.ts";
import type { RedisConnection } from "./connection.ts";
import { refusalOf } from "./refusal.ts";

/** How often it asks, how long it waits for the answer, and how long the key lives, in milliseconds. */
const EVERY_MS = 500;
const DEADLINE_MS = 1500;
const KEY_MS = 5000;

/** What a probe is made of. */
export interface ProbeOptions {
  /** The connection that is looked at. */
  readonly connection: RedisConnection;
  /** A key of its own. */
  readonly key: string;
  /** Connections that must lead to the same server: made anew when another server has become the one to write to. */
  readonly others?: () => Iterable<RedisConnection>;
  /** Hears of each change of {@linkcode Probe.usable}. */
  readonly onChange?: (usable: boolean, reason: string | undefined) => void;
}

/** Asks until it is stopped. */
export class Probe {
  readonly #options: ProbeOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #asking = false;
  #stopped = false;
  #usable = true;
  #reason: string | undefined;
  /** The server turned out to be the wrong one to write to. */
  #wrongServer = false;

  /** The connection is taken to be usable until the first answer, which is asked for at once. */
  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#ask(), EVERY_MS);
    options.connection.onReady(() => this.#ask());
    void this.#ask();
  }

  /** Whether the last write was taken and the link still stands. */
  get usable(): boolean {
    return this.#usable && this.#options.connection.ready;
  }

  /** Why not, in one line; `undefined` while it is usable. */
  get reason(): string | undefined {
    if (this.usable) return undefined;
    return this.#reason ?? describe(this.#options.connection.lastError);
  }

  /** Asks no more. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#asking || this.#stopped) return;
    const { connection, key, others = () => [] } = this.#options;
    this.#asking = true;
    try {
      await connection.send(["SET", key, "1", "PX", String(KEY_MS)], { deadlineMs: DEADLINE_MS });
      if (this.#wrongServer) {
        this.#wrongServer = false;
        for (const other of others()) other.reset("another server takes the writes now");
      }
      this.#say(true, undefined);
    } catch (error) {
      const cause = error instanceof UnavailableError ? error.cause : error;
      if (refusalOf(cause) === "relink") this.#wrongServer = true;
      this.#say(false, describe(cause));
    } finally {
      this.#asking = false;
    }
  }

  #say(usable: boolean, reason: string | undefined): void {
    if (this.#stopped) return;
    const changed = usable !== this.#usable;
    this.#usable = usable;
    this.#reason = reason;
    if (changed) this.#options.onChange?.(usable, reason);
  }
}

/** The first line alone: what a server says may go on. */
function describe(error: unknown): string {
  const [line = ""] = error === undefined ? [] : reasonOf(error).split(/[\r\n]/);
  if (error instanceof ErrorReply) return `Redis refuses writes: ${line}`;
  return `Redis is away${line === "" ? "" : `: ${line}`}`;
}
