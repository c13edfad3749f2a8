/**
 * How fast places come free: who finds none may wait while that is fast enough, or while it is yet to be seen.
 */

/** For how long those that have just become busy may take to show how fast they are, in milliseconds. */
const GRACE_MS = 500;

/** Counts what happened within the last `ms`, to about a fifth. */
export class Recent {
  readonly #ms: number;
  #since = -Infinity;
  #now = 0;
  #before = 0;

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(now: number): void {
    this.#turn(now);
    this.#now++;
  }

  count(now: number): number {
    this.#turn(now);
    return this.#now + this.#before * Math.max(0, 1 - (now - this.#since) / this.#ms);
  }

  #turn(now: number): void {
    const passed = now - this.#since;
    if (passed < this.#ms) return;
    this.#before = passed < 2 * this.#ms ? this.#now : 0;
    this.#now = 0;
    this.#since = now;
  }
}

/** Whether one more may wait who would wait for at most `expectedMs` milliseconds. */
export function mayWait(
  pace: {
    readonly waiting: number;
    readonly endedLastSecond: number;
    readonly busyForMs: number;
    readonly expectedMs: number;
  },
): boolean {
  const { waiting, endedLastSecond, busyForMs, expectedMs } = pace;
  return busyForMs < GRACE_MS || 1000 * (waiting + 1) <= expectedMs * endedLastSecond;
}

/** Counts what runs on a number of places. */
export class Pace {
  readonly #places: number;
  readonly #ended = new Recent(1000);
  #running = 0;
  /** When half of the places came to be taken; `Infinity` while fewer are: then whoever has one may keep it. */
  #busyAt = Infinity;

  /** @param options.places how many there are */
  constructor({ places }: { places: number }) {
    this.#places = places;
  }

  /** How many run. */
  get running(): number {
    return this.#running;
  }

  /** One begins. */
  begin(): void {
    this.#running++;
    if (this.#busyAt === Infinity && this.#running >= this.#places / 2) this.#busyAt = performance.now();
  }

  /** One has ended, and another has its place. */
  passOn(): void {
    this.#ended.add(performance.now());
  }

  /** One has ended. */
  end(): void {
    this.passOn();
    this.#running--;
    if (this.#running < this.#places / 2) this.#busyAt = Infinity;
  }

  /** Whether one more may wait behind `waiting` others, for at most `expectedMs` milliseconds. */
  mayWait({ waiting, expectedMs }: { waiting: number; expectedMs: number }): boolean {
    if (this.#busyAt === Infinity) return false;
    const now = performance.now();
    return mayWait({
      waiting,
      expectedMs,
      endedLastSecond: this.#ended.count(now),
      busyForMs: now - this.#busyAt,
    });
  }
}
