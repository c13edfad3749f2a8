/**
 * Decides when a request counts the queue against its limit. Counting costs a command, so after a count the next
 * requests skip it: a sixteenth of the free room, for a quarter of a second at most. So up to sixteen instances
 * together never exceed the limit. Near the limit, and with a small one, every request counts.
 */

/** Which part of the room that was counted may be used up before the next count, and for how long, in milliseconds. */
const PART = 16;
const COUNT_EVERY_MS = 250;

interface Counted {
  /** How many more requests may go uncounted. */
  spare: number;
  /** When it is to be counted again, by the monotonic clock. */
  until: number;
}

/** What is known of the queues, one a partition. */
export class QueueRoom {
  readonly #limit: number;
  readonly #counted: (Counted | undefined)[] = [];

  /** @param options.queueLimit how many executions may be queued or run in one partition */
  constructor(options: { queueLimit: number }) {
    this.#limit = options.queueLimit;
  }

  /** The limit that the next request is to be counted against; `undefined` when it need not be, unless it `counts`. */
  limitOf(partition: number, { counts }: { counts: boolean }): number | undefined {
    const counted = this.#counted[partition];
    if (counts || counted === undefined || counted.spare <= 0) return this.#limit;
    const now = performance.now();
    if (now < counted.until) {
      counted.spare--;
      return undefined;
    }
    // One counts, while the others go on.
    counted.until = now + COUNT_EVERY_MS;
    return this.#limit;
  }

  /** Takes a count. */
  counted(partition: number, length: number): void {
    const spare = Math.floor((this.#limit - length) / PART);
    this.#counted[partition] = { spare, until: performance.now() + COUNT_EVERY_MS };
  }
}
