/**
 * Long polls for work. All of an instance share one follower of the feed, which wakes those for whom something may have
 * been requested.
 */
import { MillraceError } from "../../lib/errors.ts";
import { pause, waitFor } from "../../lib/delay.ts";
import type { AppDeps } from "../frame/deps.ts";

/** Interval at which they look for work without a request, such as lapsed leases, in milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How long one rests after a look, whatever is requested, in milliseconds. */
const REST_MS = 20;
/** How many may wait at once. */
const MOST = 1000;

/** What it needs. */
type ArrivalsDeps = Pick<AppDeps, "store" | "logger" | "drainSignal">;

/** One that waits. */
interface Poll {
  /** True of workflows whose work it takes. */
  readonly wants: (workflowId: string) => boolean;
  /** Something that it wants was requested since it last looked. */
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
    deps.drainSignal?.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /**
   * Calls `take` until it returns something or the time is over: again when something of a workflow that the caller
   * `wants` was requested, and now and then. Whoever has gone meanwhile takes nothing any more. Throws
   * `too_many_waiters`, and what `take` throws.
   */
  async take<T>(
    take: () => Promise<T[]>,
    options: { waitMs: number; signal: AbortSignal; wants: (workflowId: string) => boolean },
  ): Promise<T[]> {
    const { waitMs, signal, wants } = options;
    const until = performance.now() + waitMs;
    const isOver = () => signal.aborted || this.#deps.drainSignal?.aborted === true;
    const poll = this.#enter(wants);
    try {
      for (;;) {
        this.#follow();
        // Before the call, so that no request in between is missed.
        poll.hasNews = false;
        const taken = await take();
        const leftMs = until - performance.now();
        if (taken.length > 0 || leftMs <= 0 || isOver()) return taken;
        await pause(Math.min(leftMs, REST_MS), signal);
        await untilNews(poll, { signal, timeoutMs: Math.min(until - performance.now(), LOOK_EVERY_MS) });
        if (isOver()) return [];
      }
    } finally {
      this.#leave(poll);
    }
  }

  #enter(wants: Poll["wants"]): Poll {
    if (this.#polls.size >= MOST) {
      throw new MillraceError("too_many_waiters", `${MOST} programs are waiting for work on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    const poll: Poll = { wants, hasNews: false, wake: undefined };
    this.#polls.add(poll);
    return poll;
  }

  #leave(poll: Poll): void {
    this.#polls.delete(poll);
    if (this.#polls.size === 0) this.#following?.abort();
  }

  /** Wakes those who want work of a workflow; without one, all. */
  #wake(workflowId?: string): void {
    for (const poll of this.#polls) {
      if (workflowId !== undefined && !poll.wants(workflowId)) continue;
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
          if ("mark" in entry) this.#wake();
          else if (entry.types.some((type) => type === "execution.requested" || type === "execution.resumed")) {
            this.#wake(entry.workflowId);
          }
        }
      } catch (error) {
        if (!controller.signal.aborted) this.#deps.logger.warn({ error }, "the feed is not followed for work");
      }
      if (this.#following === controller) this.#following = undefined;
    })();
  }
}

/** Waits until something that it wants is requested; not at all if that has happened. */
async function untilNews(poll: Poll, bounds: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
  if (poll.hasNews) return;
  await waitFor((done) => {
    poll.wake = done;
    return () => poll.wake = undefined;
  }, bounds);
}
