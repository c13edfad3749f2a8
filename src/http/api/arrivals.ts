/**
 * Long polls for work. All of an instance share one follower of the feed, which wakes them when something is requested.
 */
import { MillraceError } from "../../lib/errors.ts";
import { pause } from "../../lib/delay.ts";
import type { AppDeps } from "../frame/deps.ts";

/** Interval at which they look for work without a request, such as lapsed leases, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How many may wait at once. */
const MOST = 1000;

/** What it needs. */
type ArrivalsDeps = Pick<AppDeps, "store" | "logger" | "drainSignal">;

/** Waits for work. */
export class Arrivals {
  readonly #deps: ArrivalsDeps;
  readonly #waiting = new Set<() => void>();
  #following: AbortController | undefined;

  constructor(deps: ArrivalsDeps) {
    this.#deps = deps;
  }

  /** Calls `take` until it returns something or the time is over. Throws `too_many_waiters`. */
  async take<T>(take: () => Promise<T[]>, options: { waitMs: number; signal: AbortSignal }): Promise<T[]> {
    const until = performance.now() + options.waitMs;
    const { drainSignal } = this.#deps;
    const signal = drainSignal === undefined ? options.signal : AbortSignal.any([options.signal, drainSignal]);
    for (;;) {
      const hasChanged = this.#change();
      const taken = await take();
      const leftMs = until - performance.now();
      if (taken.length > 0 || leftMs <= 0 || signal.aborted) {
        hasChanged.cancel();
        return taken;
      }
      await hasChanged.within(Math.min(leftMs, LOOK_EVERY_MS), signal);
    }
  }

  /** Registers a wait; to be called before `take`, so that no request in between is missed. */
  #change(): { cancel(): void; within(ms: number, signal: AbortSignal): Promise<void> } {
    if (this.#waiting.size >= MOST) {
      throw new MillraceError("too_many_waiters", `${MOST} programs are waiting for work on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    this.#follow();
    const cancel = () => {
      this.#waiting.delete(wake);
      if (this.#waiting.size === 0) this.#following?.abort();
    };
    return {
      cancel,
      within: async (ms, signal) => {
        await pause(ms, AbortSignal.any([signal, woken.signal]));
        this.#waiting.delete(wake);
      },
    };
  }

  #follow(): void {
    if (this.#following !== undefined && !this.#following.signal.aborted) return;
    const controller = new AbortController();
    this.#following = controller;
    void (async () => {
      try {
        for await (const entry of this.#deps.store.projections.followFeed({ signal: controller.signal })) {
          if (
            "mark" in entry ||
            entry.types.some((type) => type === "execution.requested" || type === "execution.resumed")
          ) {
            for (const wake of this.#waiting) wake();
          }
        }
      } catch (error) {
        if (!controller.signal.aborted) this.#deps.logger.warn({ error }, "the feed is not followed for work");
      }
      if (this.#following === controller) this.#following = undefined;
    })();
  }
}
