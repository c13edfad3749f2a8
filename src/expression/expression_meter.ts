/**
 * Counts the work of an evaluation in steps, so that its limits do not depend on how fast or how busy the machine is.
 *
 * A unit is about one step of JSONata, a microsecond. What a step does at once is counted by its size: see the guards
 * in `expression_functions.ts`, `expression_limits.ts` and `linear_regex.ts`.
 */

/** Says how far an evaluation may go. */
export interface WorkLimit {
  /** The units after which {@linkcode check} is asked for the first time. */
  readonly first: number;
  /** Says at how many units it is to be asked again; throws where the evaluation has to end. */
  check(spent: number): number;
  /** True where the evaluation runs on in the thread that answers everybody, and has to give way to others. */
  readonly givesWay: boolean;
}

/** What one evaluation has done so far. */
export class Meter {
  /** What `$now()` and `$millis()` say. */
  readonly now: Date;
  readonly givesWay: boolean;
  /** Characters built, and a few for an item: see `charge`. */
  charged = 0;
  /** When the evaluation gave way last. */
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

  /** Counts work; throws what the limit throws. */
  work(units: number): void {
    this.#spent += units;
    if (this.#spent >= this.#next) this.#next = this.#limit.check(this.#spent);
  }

  /**
   * Nothing of the evaluation goes on from here: branches that ran beside the one that failed end at their next step.
   */
  close(): void {
    this.#limit = CLOSED;
    this.#next = 0;
  }

  /** What values weigh that were weighed before. */
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

/** Thrown inside JSONata when an evaluation is too much for the thread that answers everybody. */
export const ESCALATE = "escalate";

/** What an evaluation may do in line: 2 to 4 ms of it. */
const INLINE_UNITS = 2500;

/** What an evaluation may do in line where others have done much. */
const SMALL_UNITS = 250;

/** How many evaluations are tried for a short time only after one that was too much. */
const SHORT_TRIES = 15;

/** What all evaluations past {@linkcode SMALL_UNITS} may do in line in one turn of the event loop. */
const TURN_UNITS = 10_000;

let turn = 0;

/**
 * The limits of an expression in line, where a thread takes what is too much, and where many evaluations that begin at
 * the same time share a turn of the event loop, so that a turn has a budget too.
 *
 * What was too much once is likely to be so again: the expression is tried for a short time only then, and now and
 * again in full.
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

/** How many units stand for a millisecond where there is no thread: few enough for a slow machine. */
const UNITS_PER_MS = 1000;

/** The wall clock is the last resort, for what the units do not see. */
const WALL_FACTOR = 40;

/** In line to the end, where there is no thread: a time is a number of units, on any machine. */
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

/** What ends an evaluation by its time. */
export function timeout(): { code: string } {
  return { code: "D1012" };
}
