/**
 * How long each thing may take before the link it was sent over counts as dead, all in one place.
 *
 * A link that goes silent while sockets made anew work is found within {@linkcode BLOCK_MS} + {@linkcode GRACE_MS},
 * whatever waits on it, and work flows again within three seconds.
 */

/** How long a blocking command blocks at most, in milliseconds. */
export const BLOCK_MS = 1000;

/** How long after the end of its block a blocking command may still go without an answer, in milliseconds. */
export const GRACE_MS = 1000;

/** How long a command that does not block may take, in milliseconds. */
export const DEADLINE_MS = 5000;

/** How long each step of a handshake may take (TCP, then each round trip), in milliseconds. */
export const HANDSHAKE_MS = 1500;

/** How often deadlines are looked at, in milliseconds. */
export const TICK_MS = 200;

/**
 * Time that this process has lived through, in milliseconds. While it is stopped (SIGSTOP, a frozen machine, a blocked
 * event loop) answers wait unread in its sockets: that silence is its own, and no deadline runs.
 */
export class LivedTime {
  #at = performance.now();
  #now = 0;

  /** Milliseconds lived until the last tick. */
  get now(): number {
    return this.#now;
  }

  /** To be called every {@linkcode TICK_MS}; a tick that comes late counts as two at most. */
  tick(): number {
    const at = performance.now();
    this.#now += Math.min(at - this.#at, 2 * TICK_MS);
    this.#at = at;
    return this.#now;
  }
}

/** The commands in flight, and until when each may go without an answer, in lived time. */
export class Deadlines {
  readonly #until = new Map<number, number>();
  readonly #lived: LivedTime;
  #next = 0;

  constructor(lived: LivedTime) {
    this.#lived = lived;
  }

  /** Enters a command that was sent; returns its ticket. */
  add(deadlineMs: number): number {
    this.#until.set(this.#next, this.#lived.now + deadlineMs);
    return this.#next++;
  }

  /** Forgets a command that was answered, or never will be. */
  delete(ticket: number): void {
    this.#until.delete(ticket);
  }

  /** Whether a command has had no answer in time. */
  get isOverdue(): boolean {
    for (const until of this.#until.values()) if (until < this.#lived.now) return true;
    return false;
  }
}
