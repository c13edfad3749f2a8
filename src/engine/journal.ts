/**
 * What a worker has yet to write of one execution. Events of fast nodes are buffered here and appended together;
 * the buffer is flushed when a node takes longer than a few milliseconds, and before a node with side effects starts.
 *
 * Invariants:
 * 1. Appends of one execution never overlap: each waits for the one before, so sequence numbers are dense.
 * 2. An event is in the buffer or handed to the queue, never both, never neither.
 * 3. A reply is sent in the append of its event, so an event in the log has been replied to.
 * 4. After a failed append nothing more is written: the next claim goes on from what the log holds. After one that was
 *    refused for want of room, only the terminal event is.
 */
import { type LogEvent } from "../execution/event.ts";
import type { Claim } from "../execution/claim.ts";
import type { WorkQueue } from "../execution/work_queue.ts";
import type { ExecutionResult } from "../execution/result.ts";

/** Batching window, in milliseconds. */
const FLUSH_AFTER_MS = 5;

/** The unwritten tail of one execution's log. */
export class Journal {
  readonly #claim: Claim;
  readonly #queue: Pick<WorkQueue, "append" | "suspend" | "finish">;
  readonly #onError: (error: unknown) => void;
  readonly #onPaused: () => void;
  #buffer: LogEvent[] = [];
  /** The reply that is sent with the buffered events. */
  #reply: ExecutionResult | undefined;
  #sequence: number;
  #appending: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onError` hears of a failed append in the background, `onPaused` that the execution was found to be paused. */
  constructor(
    claim: Claim,
    queue: Pick<WorkQueue, "append" | "suspend" | "finish">,
    options: { onError: (error: unknown) => void; onPaused: () => void },
  ) {
    this.#claim = claim;
    this.#queue = queue;
    this.#sequence = claim.sequence;
    this.#onError = options.onError;
    this.#onPaused = options.onPaused;
  }

  /** Takes an event, to be written with the next flush, and a reply to the caller that is due with it. */
  add(event: LogEvent, reply?: ExecutionResult): void {
    this.#buffer.push(event);
    this.#reply ??= reply;
  }

  /** Writes the buffer unless the execution goes on within a few milliseconds. */
  flushSoon(): void {
    if (this.#buffer.length === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch(this.#onError);
    }, FLUSH_AFTER_MS);
  }

  /** Writes the buffer now. Throws `FencedError`. */
  async flush(): Promise<void> {
    this.#stopTimer();
    while (this.#appending !== undefined) await this.#appending;
    if (this.#buffer.length === 0) return;
    const reply = this.#reply;
    const events = this.#take();
    const what = reply === undefined ? { events } : { events, reply };
    const appending = this.#queue.append(this.#claim, { sequence: this.#sequence, ...what });
    this.#appending = appending.then(({ paused }) => {
      this.#sequence += events.length;
      if (paused) this.#onPaused();
    }).finally(() => this.#appending = undefined);
    await this.#appending;
  }

  /** Writes the rest and ends the execution with `last`, which no flush that still waits for its turn may take. */
  finish(last: LogEvent, result: ExecutionResult): Promise<void> {
    this.#stopTimer();
    if (this.#appending !== undefined) return this.#appending.then(() => this.finish(last, result));
    const events = this.#take();
    events.push(last);
    return this.#queue.finish(this.#claim, { sequence: this.#sequence, events, result });
  }

  /** Ends the execution with `last` alone, after the store had no room for what comes before it: that is forgotten. */
  async finishAlone(last: LogEvent, result: ExecutionResult): Promise<void> {
    this.discard();
    while (this.#appending !== undefined) await this.#appending.catch(() => {});
    await this.#queue.finish(this.#claim, { sequence: this.#sequence, events: [last], result });
  }

  /** Writes the rest, a reply first, and gives the claim up for a while; after `"resumed"` nothing has changed. */
  async suspend(options: { delayMs: number; forPause: boolean }): Promise<"suspended" | "resumed"> {
    this.#stopTimer();
    if (this.#reply !== undefined) await this.flush();
    while (this.#appending !== undefined) await this.#appending;
    const events = this.#take();
    const outcome = await this.#queue.suspend(this.#claim, { ...options, sequence: this.#sequence, events });
    if (outcome === "resumed") this.#buffer = [...events, ...this.#buffer];
    return outcome;
  }

  /** Drops the buffered events. */
  discard(): void {
    this.#stopTimer();
    this.#take();
  }

  #take(): LogEvent[] {
    const events = this.#buffer;
    this.#buffer = [];
    this.#reply = undefined;
    return events;
  }

  #stopTimer(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
