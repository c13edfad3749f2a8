/**
 * What one workflow may hold of a worker's places, so that one whose upstream hangs does not take them all.
 *
 * Invariants:
 * 1. An eighth of the places (none of fewer than eight) is never taken by executions of one workflow alone.
 * 2. Past its share a workflow's executions wait here for its own places while these come free fast enough: a workflow
 *    that is only busy is as fast as if it were given everything.
 * 3. Where they do not, an execution is suspended for a while, the longer the more there are of them, and work of other
 *    workflows is taken meanwhile. It has not begun, so nothing but time is lost.
 *
 * @example
 * ```ts
 * const backMs = shares.enter("orders") ? undefined : await shares.wait("orders", { signal: () => signal });
 * if (backMs === undefined) shares.leave("orders");
 * ```
 */
import { waitFor } from "../lib/delay.ts";

/** How long one may wait for a place, and is expected to at most, in milliseconds. */
const WAIT_MS = 500;
const EXPECTED_MS = 250;
/** For how long a workflow that has just become busy may take to show how fast it is, in milliseconds. */
const GRACE_MS = 500;
/**
 * For how long it is suspended, at least and at most, and how much longer for each that was within the last five seconds,
 * in milliseconds; in steps, so that those suspended together are taken together.
 */
const BACK_MS = 500;
const LONGEST_BACK_MS = 5000;
const LONGER_MS = 2;
const STEP_MS = 100;

/** Counts what happened within the last `ms`, to about a fifth. */
class Recent {
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

/** What a worker holds of one workflow. */
class Share {
  running = 0;
  /** When more than half of the share came to run. */
  busyAt = Infinity;
  readonly waiting = new Set<() => void>();
  readonly ended = new Recent(1000);
  readonly putBack = new Recent(5000);
}

/** Whether one that finds its workflow's share taken may wait for a place. */
export function mayWait(
  share: { readonly waiting: number; readonly endedLastSecond: number; readonly busyForMs: number },
): boolean {
  const { waiting, endedLastSecond, busyForMs } = share;
  return busyForMs < GRACE_MS || 1000 * (waiting + 1) <= EXPECTED_MS * endedLastSecond;
}

/** The shares of all workflows on one worker. */
export class Shares {
  readonly #most: number;
  readonly #shares = new Map<string, Share>();
  #waiting = 0;

  /** @param options.places how many executions run on the worker at once */
  constructor({ places }: { places: number }) {
    this.#most = places - Math.floor(places / 8);
  }

  /** How many wait for a place of their workflow. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a place for an execution of the workflow, to be given up by {@linkcode leave}; false when it has its share. */
  enter(workflowId: string): boolean {
    let share = this.#shares.get(workflowId);
    if (share === undefined) this.#shares.set(workflowId, share = new Share());
    if (share.running >= this.#most) return false;
    this.#begin(share);
    return true;
  }

  /**
   * After {@linkcode enter} said no: waits for a place, and resolves with `undefined` once it has one; else resolves with
   * for how long the execution is to be suspended, in milliseconds. Rejects with the signal's reason.
   */
  async wait(workflowId: string, { signal }: { signal: () => AbortSignal }): Promise<number | undefined> {
    const share = this.#shares.get(workflowId)!;
    const now = performance.now();
    const line = { waiting: share.waiting.size, endedLastSecond: share.ended.count(now) };
    if (mayWait({ ...line, busyForMs: now - share.busyAt })) {
      const ended = signal();
      if (await this.#wait(share, ended)) return undefined;
      ended.throwIfAborted();
    }
    const putBackAt = performance.now();
    share.putBack.add(putBackAt);
    const longer = LONGER_MS * share.putBack.count(putBackAt);
    return Math.min(LONGEST_BACK_MS, BACK_MS + STEP_MS * Math.floor(longer / STEP_MS));
  }

  /** Gives a place up, to the one that has waited longest. */
  leave(workflowId: string): void {
    const share = this.#shares.get(workflowId)!;
    share.running--;
    share.ended.add(performance.now());
    const [next] = share.waiting;
    if (next !== undefined) next();
    if (share.running <= this.#most / 2) share.busyAt = Infinity;
    if (share.running === 0) this.#shares.delete(workflowId);
  }

  #begin(share: Share): void {
    share.running++;
    if (share.running > this.#most / 2) share.busyAt = Math.min(share.busyAt, performance.now());
  }

  /** True once it has a place; false when that takes too long, and on abort. */
  async #wait(share: Share, signal: AbortSignal): Promise<boolean> {
    let hasPlace = false;
    await waitFor((done) => {
      const begin = () => {
        share.waiting.delete(begin);
        this.#begin(share);
        hasPlace = true;
        done();
      };
      share.waiting.add(begin);
      this.#waiting++;
      return () => {
        share.waiting.delete(begin);
        this.#waiting--;
      };
    }, { signal, timeoutMs: WAIT_MS });
    return hasPlace;
  }
}
