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
import { Pace, Recent } from "./pace.ts";

/** How long one may wait for a place, and is expected to at most, in milliseconds. */
const WAIT_MS = 500;
const EXPECTED_MS = 250;
/**
 * For how long it is suspended, at least and at most, and how much longer for each that was within the last five seconds,
 * in milliseconds; in steps, so that those suspended together are taken together.
 */
const BACK_MS = 500;
const LONGEST_BACK_MS = 5000;
const LONGER_MS = 2;
const STEP_MS = 100;

/** What a worker holds of one workflow. */
class Share {
  readonly pace: Pace;
  readonly waiting = new Set<() => void>();
  readonly putBack = new Recent(5000);

  constructor(places: number) {
    this.pace = new Pace({ places });
  }
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
    if (share === undefined) this.#shares.set(workflowId, share = new Share(this.#most));
    if (share.pace.running >= this.#most) return false;
    share.pace.begin();
    return true;
  }

  /**
   * After {@linkcode enter} said no: waits for a place, and resolves with `undefined` once it has one; else resolves with
   * for how long the execution is to be suspended, in milliseconds. Rejects with the signal's reason.
   */
  async wait(workflowId: string, { signal }: { signal: () => AbortSignal }): Promise<number | undefined> {
    const share = this.#shares.get(workflowId)!;
    if (share.pace.mayWait({ waiting: share.waiting.size, expectedMs: EXPECTED_MS })) {
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
    const { pace, waiting: [next] } = share;
    if (next === undefined) pace.end();
    else {
      pace.passOn();
      next();
    }
    if (pace.running === 0) this.#shares.delete(workflowId);
  }

  /** True once it has a place; false when that takes too long, and on abort. */
  async #wait(share: Share, signal: AbortSignal): Promise<boolean> {
    let hasPlace = false;
    await waitFor((done) => {
      const begin = () => {
        share.waiting.delete(begin);
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
