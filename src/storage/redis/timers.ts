/**
 * Timers: retries, long delays, deadlines of executions without a worker, queues for admission. They are in one sorted
 * set per partition; every worker polls it, and the first to do so puts what is due on the work stream.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { wake } from "./scripts/wake.ts";

/** How long a timer that another worker set may go unseen, in milliseconds. */
const LOOK_EVERY_MS = 500;
/** How many timers one script moves. */
const BATCH = 100;

/** What timers are made of. */
export interface TimersOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** Called with errors in the background. */
  readonly onError: (error: unknown) => void;
}

/** Looks for what is due until it is stopped. */
export class Timers {
  readonly #options: TimersOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** By the monotonic clock: a system clock that is set back must not keep what is due waiting. */
  #firesAt = Infinity;
  #stopped = true;
  #looking: Promise<void> | undefined;

  constructor(options: TimersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.arm(0);
  }

  /** Looks again `delayMs` from now, unless it does so earlier. */
  arm(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (this.#stopped || at >= this.#firesAt) return;
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#timer = setTimeout(() => this.#looking = this.#look(), delayMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { keys, commands, onError } = this.#options;
    this.#firesAt = Infinity;
    let nextMs = LOOK_EVERY_MS;
    try {
      for (let partition = 0; partition < keys.partitions && commands.ready; partition++) {
        const woken = await wake(commands, {
          keys: { timers: keys.timers(partition) },
          count: BATCH,
          base: keys.base(partition),
        });
        if (woken.due === BATCH) nextMs = 0;
        else if (woken.nextMs !== undefined) nextMs = Math.min(nextMs, woken.nextMs + 1);
      }
    } catch (error) {
      onError(error);
    }
    this.arm(nextMs);
  }
}
