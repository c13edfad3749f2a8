/**
 * The log's port: everything the product asks of its store about executions. Two drivers keep it, Redis and memory,
 * and one contract suite (`tests/log/contract.ts`) holds both to it.
 *
 * Any call that changes something may be sent twice, because a dropped connection leaves its outcome unknown: a
 * request is keyed by its execution id and an append by the sequence number that it expects, so the second sending
 * changes nothing and answers as the first did.
 */
import type { Clock } from "../clock.ts";
import type { JsonValue } from "../json.ts";
import type { NodeErrorData } from "../errors.ts";
import type { ExecutionStatus, LogEvent, StoredEvent } from "./event.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../workflow/definition.ts";

/** What starts an execution. */
export interface ExecutionRequest {
  /** UUIDv7. */
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** The trigger node's output. */
  readonly input: JsonValue;
  /** The instance whose inbox gets the reply, if a caller waits. */
  readonly replyTo?: string;
  /** Reply with the `httpResponse` node's response the moment it exists, not at the end. */
  readonly replyEarly?: boolean;
  /** Bounds of what is kept, from the workflow's settings. */
  readonly resultTtlSeconds: number;
  /** How long log and meta live after the end. */
  readonly historyTtlSeconds: number;
  /** The longest that the execution may take, its time in queues included, in milliseconds. */
  readonly timeoutMs: number;
  /** A second request with this key (one namespace a workflow) starts nothing. */
  readonly idempotency?: Idempotency;
  /** How many executions of this workflow may be under way at once. */
  readonly concurrency?: Concurrency;
}

/** An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) and what it was sent with. */
export interface Idempotency {
  /** What the client sent, 1 to 255 printable ASCII characters, or a longer name that no client can send. */
  readonly key: string;
  /** Digest of what must be the same whenever the key is. */
  readonly fingerprint: string;
  /** How long the key is remembered, from the request on; its execution may be forgotten before. */
  readonly ttlSeconds: number;
}

/** The slots of a workflow, and what happens to a request that finds none free. */
export interface Concurrency {
  readonly limit: number;
  readonly onOverlap: "queue" | "reject" | "cancelPrevious";
}

/** What became of a request. */
export interface Acceptance {
  /** Not the request's own where its idempotency key had been used. */
  readonly executionId: string;
  /** False: the execution was there before, by its idempotency key. */
  readonly isNew: boolean;
}

/** What a worker holds while it runs an execution. */
export interface Claim {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  readonly trigger: string;
  /** Counts the claims; the store refuses what comes with a lower one. */
  readonly epoch: number;
  /** The work entry's id. */
  readonly entryId: string;
  /** The instance whose inbox gets the reply, if a caller waits. */
  readonly replyTo?: string;
  readonly replyEarly: boolean;
  /** Epoch milliseconds of `execution.requested`. */
  readonly requestedAt: number;
  /** The trigger's output, on a first delivery; absent when the log must be read: later claims, large inputs. */
  readonly input?: JsonValue;
  /** How many events claims have appended so far, the request counted: what the next append must name. */
  readonly sequence: number;
  /** The execution is paused: no node may start. */
  readonly paused: boolean;
  /** The execution holds one of its workflow's slots. */
  readonly limited: boolean;
  /** How many claims ended without a word since the execution last made progress: with any, it is a suspect. */
  readonly deliveries: number;
}

/** The response that an `httpResponse` node made. */
export interface ResponseData {
  readonly status: number;
  /** Names in lower case; a list for a repeated header. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** JSON; a string goes out as it is when `headers` has a `content-type`. */
  readonly body?: JsonValue;
  /** Base64 of the bytes to send, instead of `body`. */
  readonly bodyBase64?: string;
}

/** How an execution ended, as `GET …/result` answers it. */
export interface ExecutionResult {
  readonly executionId: string;
  /** `responded`: the `httpResponse` node of a `responseNode` webhook answered, and the rest still runs. */
  readonly status: ExecutionStatus | "responded";
  readonly response?: ResponseData;
  readonly output?: JsonValue;
  readonly error?: NodeErrorData;
}

/** What the store knows of an execution without folding its log. */
export interface ExecutionMeta {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly requestedAt: number;
  readonly endedAt?: number;
}

/** One append as the feed names it. */
export interface FeedEntry {
  /** The feed's own entry id, the cursor of its readers. */
  readonly id: string;
  readonly partition: number;
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Ids of the first and the last log entry of the append. */
  readonly first: string;
  readonly last: string;
  /** Types of the events, in order. */
  readonly types: readonly string[];
  /** On the entry that ends an execution. */
  readonly ended?: {
    readonly status: ExecutionStatus;
    readonly requestedAt: number;
    readonly endedAt: number;
    readonly keptUntil: number;
  };
}

/** A feed entry as one who follows the feed gets it. */
export interface FollowedEntry extends FeedEntry {
  /** From where to go on after it: the entry's id, or with several partitions where each of them is. */
  readonly cursor: string;
}

/** What a wait ends with when its time is up. */
export const WAIT_OVER: unique symbol = Symbol("wait over");

/** Options of everything that waits. */
export interface WaitOptions {
  readonly signal: AbortSignal;
}

/** Which events a reader wants, and how much of them. */
export interface ReadOptions {
  /** An entry id, exclusive. */
  readonly after?: string;
  readonly limit?: number;
  /** False: large values are not loaded, and `null` stands for them. */
  readonly values?: boolean;
}

/** How many bytes of values a page of a log has, with which one more may be begun. */
export const PAGE_BYTES = 2 ** 21;

/** How callers start executions, wait for them and read them. */
export interface ExecutionLog {
  /**
   * Makes the id of an execution to be requested: a UUIDv7 that lies in the partition where the workflow's slots, or
   * the idempotency key, are.
   */
  makeId(options: { workflowId: string; limited: boolean; idempotencyKey?: string }): string;

  /**
   * Appends `execution.requested` and puts the execution on the work stream, or into its workflow's queue while all
   * slots are taken, in one step. Idempotent by id. Throws a `MillraceError`: `queue_full` (503), `concurrency_exceeded`
   * (429, by `onOverlap: "reject"`), `idempotency_key_reused` (422, the key came with another fingerprint).
   */
  request(request: ExecutionRequest): Promise<Acceptance>;

  /**
   * Registers a waiter for the reply to an execution and returns it. Register before `request`; whatever number of
   * waiters there is, an instance has one blocked connection for them. The promise rejects with the signal's reason
   * when it aborts, and with {@linkcode WAIT_OVER} after `timeoutMs`. Throws `too_many_waiters` past the limit.
   */
  awaitReply(executionId: string, options: WaitOptions & { timeoutMs?: number }): Promise<ExecutionResult>;

  /** Frees the place of a waiter whose request was never appended; its promise stays pending. */
  abandonReply(executionId: string): void;

  /** The name under which this instance gets replies. */
  readonly instance: string;

  /** What is known of an execution, or `undefined`. */
  meta(executionId: string): Promise<ExecutionMeta | undefined>;

  /**
   * Events in order, page by page as they are asked for: none is empty, and each is bounded in bytes
   * ({@linkcode PAGE_BYTES} and one event). No page for an unknown execution.
   */
  pages(executionId: string, options?: ReadOptions): AsyncIterable<StoredEvent[]>;

  /** All of {@linkcode pages} together: for logs that are known to be short, or a `limit`. */
  read(executionId: string, options?: ReadOptions): Promise<StoredEvent[]>;

  /**
   * Events after `after`, history first, then live as they are appended, with no gap and no repeat; ends after the
   * terminal event, or when the log expires, or by return on abort.
   */
  tail(executionId: string, options: WaitOptions & Omit<ReadOptions, "limit">): AsyncIterable<StoredEvent>;

  /** The result, while it lives. */
  result(executionId: string): Promise<ExecutionResult | undefined>;

  /** Ends the execution from outside. False if it had already ended or is unknown. */
  cancel(executionId: string, options?: { reason?: string }): Promise<boolean>;

  /** Lets no further node start, on whatever worker, until {@linkcode resume}. Nodes that run come to their end. */
  pause(executionId: string): Promise<PauseOutcome>;

  /** Lets a paused execution go on. */
  resume(executionId: string): Promise<PauseOutcome>;
}

/** What a pause or resume came to; `unchanged`: it was paused, or was not, already. */
export type PauseOutcome = "done" | "unchanged" | "ended" | "unknown";

/** How workers take, advance and end executions. */
export interface WorkQueue {
  /**
   * Takes at most `count` executions, waiting for the first one at most `blockMs`; empty on abort. At most `suspects` of
   * them, all by default, are taken over from workers that went without a word; those go before what is new.
   */
  take(options: WaitOptions & { count: number; suspects?: number; blockMs: number }): Promise<Claim[]>;

  /**
   * Says that a suspect's turn has come: if this worker ends from now on, that counts as one more delivery that failed.
   * Whatever is no suspect has begun when it is taken. Throws `FencedError` as {@linkcode append} does.
   */
  begin(claim: Claim): Promise<void>;

  /**
   * Appends events when the log has `sequence` entries and the epoch is the claim's; `reply` goes to the caller's
   * inbox in the same step. Says whether the execution has been paused meanwhile. Throws `FencedError` when the claim
   * is no longer the newest or the execution has ended, and `AppendRefusedError` when there is no room for the events:
   * then nothing was appended, the claim still stands, and the terminal event alone will be taken.
   */
  append(claim: Claim, options: AppendOptions): Promise<{ paused: boolean }>;

  /**
   * Appends events and gives the claim up until `delayMs` from now, or the execution's deadline if that comes first:
   * then it goes back on the work stream. With `forPause` it waits for {@linkcode ExecutionLog.resume} instead;
   * `"resumed"`: that came first, nothing was appended, and the claim still stands.
   */
  park(claim: Claim, options: ParkOptions): Promise<"parked" | "resumed">;

  /**
   * Appends the terminal event (the last of `events`), stores the result, replies to the inbox, sets the expiries that
   * the request named, frees the slot, acknowledges and deletes the work entry: one step.
   */
  finish(claim: Claim, options: FinishOptions): Promise<void>;

  /**
   * Says that this process no longer runs what it claimed: the lease lapses and another claim takes it over. `cutOff`:
   * only because the store could not be reached; it may be claimed again as soon as that is over.
   */
  release(claim: Claim, options?: { cutOff?: boolean }): void;

  /** Puts a claim back on the work stream at once, for another worker; not counted as a delivery that failed. */
  handBack(claim: Claim): Promise<void>;

  /** Calls back with what happens from outside to executions that may run here. */
  onSignal(listener: (executionId: string, signal: WorkSignal) => void): void;
}

/** `lost`: it was ended from outside, or its claim went to another. */
export type WorkSignal = "lost" | "paused" | "resumed";

/** What {@linkcode WorkQueue.append} takes. */
export interface AppendOptions {
  /** The number of entries that the log must have before. */
  readonly sequence: number;
  readonly events: readonly LogEvent[];
  readonly reply?: ExecutionResult;
}

/** What {@linkcode WorkQueue.park} takes. */
export interface ParkOptions extends Omit<AppendOptions, "reply"> {
  readonly delayMs: number;
  readonly forPause?: boolean;
}

/** What {@linkcode WorkQueue.finish} takes. */
export interface FinishOptions extends Omit<AppendOptions, "reply"> {
  readonly result: ExecutionResult;
}

/** Filters and place of a page of executions, newest first. */
export interface ListOptions {
  readonly workflowId?: string;
  readonly status?: ExecutionStatus;
  /** 1 to 500. */
  readonly limit: number;
  /** The id that the page before ended with. */
  readonly cursor?: string;
}

/** A progress document: what the assembler keeps of a running execution. */
export interface ProgressDocument {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  /** Percent of the nodes that have ended, 0 to 100, whole. */
  readonly progress: number;
  /** The node that started last and has not ended, or null. */
  readonly currentStep: string | null;
  readonly completedSteps: number;
  readonly totalSteps: number;
  /** Epoch milliseconds. */
  readonly requestedAt: number;
  readonly updatedAt: number;
  /** Milliseconds that are probably left, or null while there is nothing to tell it from. */
  readonly etaMs: number | null;
}

/** What the assembler makes of the feed. */
export interface Projections {
  /** Feed entries for this consumer, waiting at most `blockMs`; entries not acknowledged come again after a restart. */
  takeFeed(options: WaitOptions & { count: number; blockMs: number }): Promise<FeedEntry[]>;
  /** Applies a batch to the indexes and counters and acknowledges it, in one step: a second time changes nothing. */
  applyFeed(entries: readonly FeedEntry[]): Promise<void>;
  /** Writes the progress document of a running execution. */
  putProgress(document: ProgressDocument): Promise<void>;
  progress(executionId: string): Promise<ProgressDocument | undefined>;
  /** Drops what has expired from the indexes and trims the feed behind its readers. */
  sweep(): Promise<void>;
  /** A page of executions, newest first. */
  list(options: ListOptions): Promise<{ executions: ExecutionMeta[]; nextCursor?: string }>;
  /**
   * The feed from `after` on (a cursor that an entry came with, an entry id; or from now), live. `gap` comes first when
   * entries after `after` are gone, or may be. Throws `invalid_last_event_id` for a cursor of other partitions.
   */
  followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FollowedEntry | "gap">;
}

/** An execution that was given up because it ended `MAX_DELIVERIES` workers, one after the other, without progress. */
export interface DeadLetter {
  readonly executionId: string;
  readonly workflowId: string;
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Epoch milliseconds. */
  readonly requestedAt: number;
  readonly diedAt: number;
  /** How many claims it had without progress. */
  readonly deliveries: number;
  readonly error: NodeErrorData;
}

/** The dead letters; the newest thousand of each partition are kept. */
export interface DeadLetters {
  /** A page, by execution id, the newest first. `cursor` is the execution id that the page before ended with. */
  list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }>;
  /** One, with the trigger's output. */
  get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined>;
  /** Forgets one; false if there is none. */
  drop(executionId: string): Promise<boolean>;
}

/** One check of `/health`. */
export interface StoreHealth {
  readonly status: "up" | "down" | "disabled" | "error";
  /** Milliseconds of one round trip. */
  readonly latency?: number;
  readonly detail?: string;
  /** How far this machine's clock is ahead of the store's, in milliseconds. */
  readonly clockOffsetMs?: number;
}

/** A whole driver. */
export interface Store extends AsyncDisposable {
  readonly driver: "redis" | "memory";
  /** How documents are kept. */
  readonly documents: "RedisJSON" | "strings" | "memory";
  /** By which the times of events, deadlines and waits go, the same for every process of the store. */
  readonly clock: Clock;
  readonly log: ExecutionLog;
  readonly work: WorkQueue;
  readonly projections: Projections;
  readonly workflows: WorkflowStore;
  readonly deadLetters: DeadLetters;
  /** How many callers of this instance wait for replies. */
  waiting(): number;
  /** Whether the store can do its work now, and if not why. */
  ready(): { readonly ready: boolean; readonly reason?: string };
  health(): Promise<StoreHealth>;
}

/** A webhook path that a definition wants: no request may match paths of two workflows. */
export interface WebhookRoute {
  readonly method: string;
  /** The path with each `:name` as `:`. */
  readonly shape: string;
  /** JSON pointer to the node's path, for the fault. */
  readonly pointer: string;
}

/** Keeps definitions and their versions. */
export interface WorkflowStore {
  /**
   * Stores a definition as the next version; the same definition again makes no new version. `ifMatch` guards
   * (`"*"`: it must exist). Throws `version_mismatch` (412) or `webhook_path_taken` (409, `errors` names each).
   */
  put(
    id: string,
    definition: WorkflowDefinition,
    options: { routes: readonly WebhookRoute[]; ifMatch?: number | "*"; ifNoneMatch?: "*" },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }>;
  /** The newest version, or the one named. */
  get(id: string, version?: number): Promise<StoredWorkflow | undefined>;
  /** Ids in order after `cursor`, with their versions. */
  list(): Promise<{ id: string; version: number }[]>;
  /** False if it did not exist. Throws `version_mismatch`. */
  delete(id: string, options?: { ifMatch?: number | "*" }): Promise<boolean>;
  /** Calls back with the id of each workflow that changed anywhere, and with `undefined` when all must be looked at. */
  onChange(listener: (id: string | undefined) => void): void;
}
