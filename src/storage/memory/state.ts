/**
 * The state of the memory driver: all executions of this process, the feed, and what wakes those who wait for changes.
 */
import { processClock } from "../../lib/clock.ts";
import { waitFor } from "../../lib/delay.ts";
import type { ExecutionStatus, LogEvent } from "../../execution/event.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import type { MemoryDeadLetters } from "./dead_letters.ts";
import { IdempotencyKeys } from "./idempotency.ts";
import { keepEvent, type Kept, type KeptEvent, sizeOf } from "./kept.ts";
import { Retention } from "./retention.ts";

/** Number of feed entries that are kept for readers who resume. */
const FEED_LENGTH = 10_000;

/** Where an execution is: in line for a slot, on the work queue, with a worker, suspended, or over. */
export type Place = "in line" | "queued" | "held" | "suspended" | "ended";

/** One execution in memory. */
export interface MemoryExecution {
  /** Without the input, which is in the first event. */
  readonly request: Omit<ExecutionRequest, "input">;
  readonly requestedAt: number;
  readonly events: KeptEvent[];
  status: ExecutionStatus;
  place: Place;
  /** Number of times that it went on the work queue: the epoch of the newest claim. */
  epoch: number;
  /** Number of events that claims appended, with the request; events from outside (pause, resume) do not count. */
  sequence: number;
  /** The epoch of the claim that appended last; tells an append that was sent twice from another claim's. */
  writer: number;
  /** Number of claims that were released since the last `node.completed`. */
  deliveries: number;
  /** Bytes of everything, and of the log alone. */
  bytes: number;
  logBytes: number;
  endedAt?: number;
  /** The execution that it is a fork of, and its own forks, in the order of their ids. */
  forkOf?: string;
  forks?: string[];
  /** It came as a file. */
  imported?: true;
  result?: { value: Kept; expiresAt: number };
  /** Epoch milliseconds; set when it ends. */
  expiresAt?: number;
  /** Of what another program runs. */
  external?: {
    /** It was handed out once at least; the end of its lease, and how long that was, by epoch milliseconds. */
    isTaken: boolean;
    leaseUntil: number;
    leaseMs: number;
    /** The epoch that was reported to have begun. */
    begun?: number;
    /** Names of the events that were reported. */
    readonly names: Set<string>;
  };
}

/** Options of a {@linkcode MemoryState}. */
export interface MemoryStateOptions {
  /** Bytes that executions may take. */
  readonly retentionBytes: number;
  /** Whether what has ended stays until it expires. Default false. */
  readonly keepsEnded?: boolean | undefined;
  /** Called with each execution that is removed. Default nobody. */
  readonly onGone?: ((executionId: string) => void) | undefined;
  /** They count against the bytes. */
  readonly deadLetters: MemoryDeadLetters;
}

/** The shared state of the memory driver's ports. */
export class MemoryState {
  readonly executions = new Map<string, MemoryExecution>();
  readonly keys = new IdempotencyKeys();
  readonly retention: Retention;
  /** Number of executions in line, on the work queue, or with a worker. */
  queued = 0;
  /** The newest entries of the feed, oldest first. */
  feed: FeedEntry[] = [];
  /** How many entries are no longer in it. */
  trimmed = 0;
  /** Ids of the executions that the assembler has listed. */
  readonly listed = new Set<string>();
  /** Of the newest entry of the feed; before any, of the time when it began. */
  fedTo: string = `${processClock.now()}-0`;
  /** Of the newest entry that is no longer in the feed; before any is, of the time when it began. */
  trimmedTo: string = this.fedTo;
  #isWhole = true;
  readonly #changed = new Map<string, Set<() => void>>();
  readonly #onGone: MemoryStateOptions["onGone"];
  #lastMs = 0;
  #lastCount = 0;

  constructor(options: MemoryStateOptions) {
    this.#onGone = options.onGone;
    this.retention = new Retention({
      limitBytes: options.retentionBytes,
      keepsEnded: options.keepsEnded,
      holdings: [this.keys, options.deadLetters],
      forget: (execution) => this.#forget(execution),
    });
  }

  /** The next stream entry id: milliseconds and a count, always growing. */
  nextId(): string {
    const now = processClock.now();
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#lastCount = 0;
    } else this.#lastCount++;
    return `${this.#lastMs}-${this.#lastCount}`;
  }

  /** Stores events under new ids, ready to be appended. */
  keep(events: readonly LogEvent[]): KeptEvent[] {
    return events.map((event) => keepEvent(event, this.nextId()));
  }

  /** Appends events to an execution and names them in the feed. */
  append(execution: MemoryExecution, stored: readonly KeptEvent[]): void {
    const { executionId, workflowId, version } = execution.request;
    for (const event of stored) execution.events.push(event);
    const bytes = sumOf(stored);
    execution.logBytes += bytes;
    this.feed.push({
      id: this.nextId(),
      partition: 0,
      executionId,
      workflowId,
      version,
      first: stored[0]!.id,
      last: stored.at(-1)!.id,
      types: stored.map((event) => event.type),
      ...endedOf(execution),
    });
    this.fedTo = this.feed.at(-1)!.id;
    if (this.feed.length > 2 * FEED_LENGTH) {
      this.#isWhole = false;
      this.trimmedTo = this.feed.at(-FEED_LENGTH - 1)!.id;
      this.trimmed += this.feed.length - FEED_LENGTH;
      this.feed = this.feed.slice(-FEED_LENGTH);
    }
    this.retention.grow(execution, bytes);
    this.wake(executionId);
    this.wake("feed");
  }

  /** Whether entries of the feed after an id are gone, or it is of another process's feed. */
  isTrimmed(after: string): boolean {
    if (compareEntryIds(after, "0-0") === 0) return !this.#isWhole;
    return compareEntryIds(after, this.trimmedTo) < 0 || compareEntryIds(after, this.fedTo) > 0;
  }

  /** The execution of that id, unless it is unknown or has expired. */
  find(executionId: string): MemoryExecution | undefined {
    const execution = this.executions.get(executionId);
    if (execution?.expiresAt === undefined || execution.expiresAt > processClock.now()) return execution;
    this.#forget(execution);
    return undefined;
  }

  /** Drops what has expired. */
  sweep(now = processClock.now()): void {
    this.keys.sweep(now);
    for (const execution of this.executions.values()) {
      if (execution.result !== undefined && execution.result.expiresAt <= now) {
        this.retention.grow(execution, -sizeOf(execution.result.value));
        delete execution.result;
      }
      if (execution.expiresAt !== undefined && execution.expiresAt <= now) this.#forget(execution);
    }
  }

  #forget(execution: MemoryExecution): void {
    const { executionId } = execution.request;
    this.executions.delete(executionId);
    this.listed.delete(executionId);
    this.retention.gone(execution);
    this.wake(executionId);
    this.#onGone?.(executionId);
  }

  /** Wakes those who wait on a topic: an execution id, `work` or `feed`. */
  wake(topic: string): void {
    const waiting = this.#changed.get(topic);
    if (waiting === undefined) return;
    this.#changed.delete(topic);
    for (const resolve of waiting) resolve();
  }

  /** Resolves when a topic changes, when the signal aborts, or after `timeoutMs`. */
  change(topic: string, options: { signal: AbortSignal; timeoutMs?: number }): Promise<void> {
    return waitFor((done) => {
      let waiting = this.#changed.get(topic);
      if (waiting === undefined) this.#changed.set(topic, waiting = new Set());
      waiting.add(done);
      return () => void this.#changed.get(topic)?.delete(done);
    }, options);
  }
}

/** The summary of an execution that has ended, as its feed entry has it. */
export function endedOf({ endedAt, expiresAt, requestedAt, status }: MemoryExecution): Pick<FeedEntry, "ended"> {
  return endedAt === undefined ? {} : { ended: { status, requestedAt, endedAt, keptUntil: expiresAt! } };
}

/** Sum of the bytes of events. */
export function sumOf(events: readonly KeptEvent[]): number {
  return events.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The index of the first item whose id comes after `after`, in a list that grows by id. */
export function indexAfter(items: readonly { id: string }[], after: string | undefined): number {
  if (after === undefined) return 0;
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareEntryIds(items[middle]!.id, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
