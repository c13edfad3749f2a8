/**
 * The registry of those who wait on this instance, the same for every driver. The callers' side of it is the port
 * {@linkcode Replies}; the rest is for the driver, which hands replies in.
 */
import { Deadline } from "../lib/deadline.ts";
import { MillraceError } from "../lib/errors.ts";
import { FleetingMap } from "../lib/fleeting_map.ts";
import type { ExecutionResult } from "./result.ts";
import type { CallerWait, Follower, Interruption, Replies, Reply, ReplyWait, Waiter } from "./replies.ts";

/** Common to every wait: its deadline, and the signal of the caller, which is made and heard where the wait lasts. */
abstract class Wait {
  interrupted: Interruption | undefined;
  readonly #deadline: Deadline;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor({ timeoutMs, signal }: CallerWait) {
    const onLasting = signal === undefined ? {} : { onLasting: () => this.hear(signal()) };
    this.#deadline = new Deadline(timeoutMs, () => this.interrupt("deadline"), onLasting);
  }

  /** Ends the wait without a result. */
  abstract interrupt(why: Interruption): void;

  /** Ends the wait when the caller goes, which it may have done. */
  protected hear(signal: AbortSignal): void {
    if (signal.aborted) return this.interrupt("caller gone");
    this.#signal = signal;
    this.#onAbort = () => this.interrupt("caller gone");
    signal.addEventListener("abort", this.#onAbort);
  }

  protected release(): void {
    this.#deadline.leave();
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/** A caller; it leaves the registry on every way out. */
class Caller extends Wait implements Waiter {
  readonly reply: Promise<Reply>;
  onDeadline: (() => void) | undefined;
  /** The request was appended: the store has the execution from then on, until it ends. */
  isAppended = false;
  /** When the store was last asked whether it still has the execution: monotonic clock, milliseconds. */
  lookedAt = performance.now();
  readonly #leave: () => void;
  #resolve!: (reply: Reply) => void;
  #reject!: (reason: unknown) => void;

  constructor(options: CallerWait, leave: () => void) {
    super(options);
    this.#leave = leave;
    this.reply = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  override interrupt(why: Interruption): void {
    this.interrupted = why;
    this.settle({ interrupted: why });
    if (why === "deadline") this.onDeadline?.();
  }

  settle(reply: Reply): void {
    this.abandon();
    this.#resolve(reply);
  }

  fail(reason: unknown): void {
    this.abandon();
    this.#reject(reason);
  }

  abandon(): void {
    this.release();
    this.#leave();
  }
}

/** Follows an execution's log. */
class LogFollower extends Wait implements Follower {
  readonly #leave: (follower: LogFollower) => void;
  readonly #controller = new AbortController();

  constructor({ timeoutMs, signal }: ReplyWait, leave: (follower: LogFollower) => void) {
    super({ timeoutMs });
    this.#leave = leave;
    if (signal !== undefined) this.hear(signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  override interrupt(why: Interruption): void {
    this.interrupted ??= why;
    this.end();
    this.#controller.abort();
  }

  end(): void {
    this.release();
    this.#leave(this);
  }
}

/** The waiters of one instance: callers by the execution that they wait for, and followers of logs. */
export class Waiters implements Replies {
  readonly instance: string;
  readonly #limit: number;
  readonly #callers = new FleetingMap<string, Caller>();
  readonly #followers = new Set<LogFollower>();
  /** Why it was closed; `undefined` while it is open. */
  #closedFor: Interruption | undefined;

  /** @param options.limit how many callers may wait at once; followers have a limit of their own */
  constructor(options: { instance: string; limit: number }) {
    this.instance = options.instance;
    this.#limit = options.limit;
  }

  get size(): number {
    return this.#callers.size;
  }

  get closed(): boolean {
    return this.#closedFor !== undefined;
  }

  wait(executionId: string, options: CallerWait): Waiter {
    if (this.closed) throw new MillraceError("shutting_down", "The instance is shutting down and has started nothing");
    if (this.#callers.size >= this.#limit) {
      throw new MillraceError("too_many_waiters", `${this.#limit} callers are waiting on this instance already`, {
        headers: { "retry-after": "1" },
      });
    }
    const caller: Caller = new Caller(options, () => {
      // Another waiter may have registered for the same execution.
      if (this.#callers.get(executionId) === caller) this.#callers.delete(executionId);
    });
    this.#callers.set(executionId, caller);
    return caller;
  }

  follow(options: ReplyWait): Follower {
    const follower = new LogFollower(options, (gone) => this.#followers.delete(gone));
    if (this.#closedFor !== undefined) follower.interrupt(this.#closedFor);
    if (follower.interrupted === undefined) this.#followers.add(follower);
    return follower;
  }

  close(reason: Interruption): void {
    this.#closedFor = reason;
    for (const wait of [...this.#callers.values(), ...this.#followers]) wait.interrupt(reason);
  }

  /** The ids of the executions that are waited for. */
  ids(): string[] {
    return [...this.#callers.keys()];
  }

  /** True while somebody waits for this execution. */
  has(executionId: string): boolean {
    return this.#callers.has(executionId);
  }

  /** Marks a waiter's request as appended; does nothing if nobody waits for the execution. */
  appended(executionId: string): void {
    const caller = this.#callers.get(executionId);
    if (caller !== undefined) caller.isAppended = true;
  }

  /** True while somebody waits for an execution that was appended. */
  isAppended(executionId: string): boolean {
    return this.#callers.get(executionId)?.isAppended ?? false;
  }

  /**
   * At most `most` ids of appended executions that were not checked for `everyMs` milliseconds; marks them as checked
   * now.
   */
  due(options: { everyMs: number; most: number }): string[] {
    const now = performance.now();
    const ids: string[] = [];
    for (const [id, caller] of this.#callers) {
      if (ids.length === options.most) break;
      if (!caller.isAppended || now - caller.lookedAt < options.everyMs) continue;
      caller.lookedAt = now;
      ids.push(id);
    }
    return ids;
  }

  /** Rejects a waiter. */
  fail(executionId: string, reason: unknown): void {
    this.#callers.get(executionId)?.fail(reason);
  }

  /** Hands a reply to its waiter; false if there is none any more. */
  reply(result: ExecutionResult): boolean {
    const caller = this.#callers.get(result.executionId);
    caller?.settle({ result });
    return caller !== undefined;
  }
}
