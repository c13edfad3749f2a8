/**
 * Who may begin of the executions that have lost a worker: one of them may be what ends workers, and the others were
 * only beside it.
 *
 * Invariants:
 * 1. Suspects begin one after the other, each with a turn of its own, those that lost most workers first: when a worker
 *    ends, what had not begun is not charged, so that those charged grow fewer from one end to the next.
 * 2. A turn ends when its execution ends, waits or makes progress; else after a time that grows with what it has lost.
 *    The first turns are short: a whole worker's calls, lost with it, go on within seconds.
 * 3. At its last chance a suspect has no other beside it, for as long as it takes: if the worker ends then, no other
 *    suspect can be the cause. So only what ends workers by itself becomes a dead letter.
 *
 * @example
 * ```ts
 * const turns = new Turns({ maxDeliveries: 5 });
 * if (await turns.wait(claim, { signal, mostMs })) await work.begin(claim);
 * turns.leave(claim);
 * ```
 */
import { waitFor } from "../lib/delay.ts";

/** What is known of a suspect. */
export interface Suspect {
  /** How many workers it has lost since it last made progress, one at least. */
  readonly deliveries: number;
}

/** The first turn, by how much each further one is longer, and the longest. */
const FIRST_TURN_MS = 10;
const TURN_FACTOR = 4;
const LONGEST_TURN_MS = 5000;

/** How long a suspect is watched before another begins beside it, in milliseconds. */
export function turnMs({ deliveries }: Suspect): number {
  return Math.min(LONGEST_TURN_MS, FIRST_TURN_MS * TURN_FACTOR ** (deliveries - 1));
}

/** The line of a worker's suspects: those that wait, in the order in which they came, and those that have begun. */
export interface Line<T extends Suspect> {
  readonly waiting: readonly T[];
  /** With the time at which each began, in milliseconds of the same clock as `now`. */
  readonly begun: ReadonlyMap<T, number>;
  readonly maxDeliveries: number;
  readonly now: number;
}

/** Who begins now; or after how many milliseconds to ask again, `Infinity` for not before one of the begun is done. */
export function nextTurn<T extends Suspect>(line: Line<T>): { begins: T } | { askAgainMs: number } {
  const { waiting, begun, maxDeliveries, now } = line;
  const isLast = ({ deliveries }: Suspect) => deliveries >= maxDeliveries - 1;
  const [first, ...others] = waiting;
  if (first === undefined) return { askAgainMs: Infinity };
  const head = others.reduce((most, other) => other.deliveries > most.deliveries ? other : most, first);
  if (begun.size > 0 && (isLast(head) || [...begun.keys()].some(isLast))) return { askAgainMs: Infinity };
  let endsAt = -Infinity;
  for (const [suspect, at] of begun) endsAt = Math.max(endsAt, at + turnMs(suspect));
  return endsAt > now ? { askAgainMs: endsAt - now } : { begins: head };
}

/** The suspects of one worker. */
export class Turns<T extends Suspect> {
  readonly #maxDeliveries: number;
  readonly #waiting = new Map<T, () => void>();
  readonly #begun = new Map<T, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: { maxDeliveries: number }) {
    this.#maxDeliveries = options.maxDeliveries;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when it is the suspect's turn: true; or when its signal aborts, or after `mostMs`: false. From `true` on
   * until {@linkcode leave} it is one of those that others wait for.
   */
  async wait(suspect: T, { signal, mostMs }: { signal: AbortSignal; mostMs: number }): Promise<boolean> {
    let begins = false;
    await waitFor((done) => {
      this.#waiting.set(suspect, () => {
        begins = true;
        done();
      });
      this.#next();
      return () => {
        if (this.#waiting.delete(suspect)) this.#next();
      };
    }, { signal, timeoutMs: Math.max(0, mostMs) });
    return begins;
  }

  /** It has ended, waits for something, or has made progress: it is suspected no more. */
  leave(suspect: T): void {
    if (this.#begun.delete(suspect)) this.#next();
  }

  #next(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const now = performance.now();
      const line = { waiting: [...this.#waiting.keys()], begun: this.#begun, maxDeliveries: this.#maxDeliveries, now };
      const next = nextTurn(line);
      if ("begins" in next) {
        this.#begun.set(next.begins, now);
        const begin = this.#waiting.get(next.begins)!;
        this.#waiting.delete(next.begins);
        begin();
        continue;
      }
      if (next.askAgainMs < Infinity) this.#timer = setTimeout(() => this.#next(), Math.ceil(next.askAgainMs));
      return;
    }
  }
}
