/**
 * Counts the work of an evaluation in units, so that limits do not depend on the speed or load of the machine.
 *
 * A unit is about one step of JSONata, a microsecond. A long step counts by the size of its data: see the guards
 * in `expression_functions.ts`, `expression_limits.ts` and `linear_regex.ts`.
 */

/** The limit of an evaluation's work. */
export interface WorkLimit {
  /** Units after which {@linkcode check} is called first. */
  readonly first: number;
  /** Returns the units at which it is called next; throws to end the evaluation. */
  check(spent: number): number;
  /** True on the main thread, where the evaluation has to yield to the event loop. */
  readonly givesWay: boolean;
}

/** The work of one evaluation so far. */
export class Meter {
  /** The time of `$now()` and `$millis()`. */
  readonly now: Date;
  readonly givesWay: boolean;
  /** Characters built, and a few for an item: see `charge`. */
  charged = 0;
  /** When the evaluation last yielded. */
  slice = performance.now();
  #weights: WeakMap<object, number> | undefined;
  #limit: WorkLimit;
  #spent = 0;
  #next: number;

  constructor(limit: WorkLimit, now: Date) {
    this.now = now;
    this.givesWay = limit.givesWay;
    this.#limit = limit;
    this.#next = limit.first;
  }

  /** Adds units of work; throws what the limit throws. */
  work(units: number): void {
    this.#spent += units;
    if (this.#spent >= this.#next) this.#next = this.#limit.check(this.#spent);
  }

  /**
   * Ends the evaluation: branches that ran beside one that failed end at their next step.
   */
  close(): void {
    this.#limit = CLOSED;
    this.#next = 0;
  }

  /** Weights of values that were weighed before. */
  get weights(): WeakMap<object, number> {
    this.#weights ??= new WeakMap();
    return this.#weights;
  }
}

const CLOSED: WorkLimit = {
  first: 0,
  givesWay: false,
  check() {
    throw timeout();
  },
};

/** Thrown inside JSONata when an evaluation is too much for the main thread. */
export const ESCALATE = "escalate";

/** Units of one evaluation on the main thread: 2 to 4 ms. */
const INLINE_UNITS = 2500;

/** Units of one evaluation on the main thread when others have taken much of the turn. */
const SMALL_UNITS = 250;

/** Number of evaluations that get few units after one that was too much. */
const SHORT_TRIES = 15;

/** Units of all evaluations past {@linkcode SMALL_UNITS} on the main thread in one turn of the event loop. */
const TURN_UNITS = 10_000;

let turn = 0;

/**
 * The limits of an expression on the main thread, where another thread takes what is too much. A turn of the event loop
 * has a budget too, since many evaluations may begin in the same one.
 *
 * An expression that was too much once is likely to be so again: it then gets few units for a number of evaluations.
 */
export class InlineLimits {
  #short = 0;

  /** The limit of the next evaluation. */
  next(): WorkLimit {
    const most = this.#short > 0 ? SMALL_UNITS : INLINE_UNITS;
    if (this.#short > 0) this.#short--;
    return {
      first: SMALL_UNITS,
      givesWay: false,
      check: (spent) => {
        if (spent >= most) {
          if (most === INLINE_UNITS) this.#short = SHORT_TRIES;
          throw { code: ESCALATE };
        }
        // Asked for once: the rest of its budget is granted at once, so that whoever goes on here comes to an end.
        if (turn + most > TURN_UNITS) throw { code: ESCALATE };
        if (turn === 0) setTimeout(() => turn = 0);
        turn += most;
        return most;
      },
    };
  }
}

/** Units for a millisecond where there is no thread: few enough for a slow machine. */
const UNITS_PER_MS = 1000;

/** Factor from the time limit to a limit by the wall clock, for work that the units do not count. */
const WALL_FACTOR = 40;

/** The limit where there is no thread: a time becomes a number of units, the same on any machine. */
export function inlineToTheEnd(timeoutMs: number): WorkLimit {
  const until = performance.now() + timeoutMs * WALL_FACTOR;
  const most = timeoutMs * UNITS_PER_MS;
  return {
    first: Math.min(most, 4096),
    givesWay: true,
    check(spent) {
      if (spent >= most || performance.now() > until) throw timeout();
      return Math.min(most, spent + 4096);
    },
  };
}

/** The failure of an evaluation at its time limit. */
export function timeout(): { code: string } {
  return { code: "D1012" };
}
