/**
 * Long polls for work. All of an instance share one follower of the feed, which wakes them when something is requested.
 */
import { MillraceError } from "../../lib/errors.ts";
import { waitFor } from "../../lib/delay.ts";
import type { AppDeps } from "../frame/deps.ts";

/** Interval at which they look for work without a request, such as lapsed leases, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How many may wait at once. */
const MOST = 1000;

/** What it needs. */
type ArrivalsDeps = Pick<AppDeps, "store" | "logger" | "drainSignal">;

/** One that waits. */
interface Poll {
  /** Something was requested since it last looked. */
  hasNews: boolean;
  /** Ends its wait. */
  wake: (() => void) | undefined;
}

/** Waits for work. */
export class Arrivals {
  readonly #deps: ArrivalsDeps;
  readonly #polls = new Set<Poll>();
  #following: AbortController | undefined;

  constructor(deps: ArrivalsDeps) {
    this.#deps = deps;
    deps.drainSignal?.addEventListener("abort", () => this.#wakeAll(), { once: true });
  }

  /**
   * Calls `take` until it returns something or the time is over. Whoever has gone meanwhile takes nothing any more.
   * Throws `too_many_waiters`, and what `take` throws.
   */
  async take<T>(take: () => Promise<T[]>, options: { waitMs: number; signal: AbortSignal }): Promise<T[]> {
    const { waitMs, signal } = options;
    const until = performance.now() + waitMs;
    const isOver = () => signal.aborted || this.#deps.drainSignal?.aborted === true;
    const poll = this.#enter();
    try {
      for (;;) {
        this.#follow();
        // Before the call, so that no request in between is missed.
        poll.hasNews = false;
        const taken = await take();
        const leftMs = until - performance.now();
        if (taken.length > 0 || leftMs <= 0 || isOver()) return taken;
        await untilNews(poll, { signal, timeoutMs: Math.min(leftMs, LOOK_EVERY_MS) });
        if (isOver()) return [];
      }
    } finally {
      this.#leave(poll);
    }
  }

  #enter(): Poll {
    if (this.#polls.size >= MOST) {
      throw new MillraceError("too_many_waiters", `${MOST} programs are waiting for work on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    const poll: Poll = { hasNews: false, wake: undefined };
    this.#polls.add(poll);
    return poll;
  }

  #leave(poll: Poll): void {
    this.#polls.delete(poll);
    if (this.#polls.size === 0) this.#following?.abort();
  }

  #wakeAll(): void {
    for (const poll of this.#polls) {
      poll.hasNews = true;
      poll.wake?.();
    }
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
            this.#wakeAll();
          }
        }
      } catch (error) {
        if (!controller.signal.aborted) this.#deps.logger.warn({ error }, "the feed is not followed for work");
      }
      if (this.#following === controller) this.#following = undefined;
    })();
  }
}

/** Waits until something is requested; not at all if that has happened. */
async function untilNews(poll: Poll, bounds: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
  if (poll.hasNews) return;
  await waitFor((done) => {
    poll.wake = done;
    return () => poll.wake = undefined;
  }, bounds);
}
