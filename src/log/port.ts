/**
 * The log's port: everything the product asks of its store about executions. Two drivers keep it, Redis and memory,
 * and one contract suite (`tests/log/contract.ts`) holds both to it.
 *
 * Any call that changes something may be sent twice, because a dropped connection leaves its outcome unknown: a
 * request is keyed by its execution id and an append by the sequence number that it expects, so the second sending
 * changes nothing and answers as the first did.
 */
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
  /** The trigger's output; absent on a takeover or when it was too large to travel: then read the log. */
  readonly input?: JsonValue;
  /** Events in the log when the claim was made, `1` on a first delivery; `undefined`: read the log. */
  readonly sequence: number | undefined;
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

/** What a wait ends with when its time is up. */
export const WAIT_OVER: unique symbol = Symbol("wait over");

/** Options of everything that waits. */
export interface WaitOptions {
  readonly signal: AbortSignal;
}

/** How callers start executions, wait for them and read them. */
export interface ExecutionLog {
  /** Appends `execution.requested` and puts the execution on the work stream, in one step. Idempotent by id. */
  request(request: ExecutionRequest): Promise<void>;

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

  /** Events after `after` (an entry id, exclusive) in order, at most `limit`. Empty for an unknown execution. */
  read(executionId: string, options?: { after?: string; limit?: number }): Promise<StoredEvent[]>;

  /**
   * Events after `after`, history first, then live as they are appended, with no gap and no repeat; ends after the
   * terminal event, or when the log expires, or by return on abort.
   */
  tail(executionId: string, options: WaitOptions & { after?: string }): AsyncIterable<StoredEvent>;

  /** The result, while it lives. */
  result(executionId: string): Promise<ExecutionResult | undefined>;

  /** Ends the execution from outside. False if it had already ended or is unknown. */
  cancel(executionId: string, options?: { reason?: string }): Promise<boolean>;
}

/** How workers take, advance and end executions. */
export interface WorkQueue {
  /** Takes at most `count` executions, waiting for the first one at most `blockMs`; empty on abort. */
  take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]>;

  /**
   * Appends events when the log has `sequence` entries and the epoch is the claim's; `reply` goes to the caller's
   * inbox in the same step. Throws `FencedError` when the claim is no longer the newest or the execution has ended.
   */
  append(claim: Claim, options: AppendOptions): Promise<void>;

  /**
   * Appends the terminal event (the last of `events`), stores the result with its TTL, replies to the inbox, sets
   * expiries, acknowledges and deletes the work entry: one step.
   */
  finish(claim: Claim, options: FinishOptions): Promise<void>;

  /** Says that this process no longer runs what it claimed: the lease lapses and another claim takes it over. */
  release(claim: Claim): void;

  /** Calls back when an execution that may run here was ended from outside, or its claim went to another. */
  onLost(listener: (executionId: string) => void): void;
}

/** What {@linkcode WorkQueue.append} takes. */
export interface AppendOptions {
  /** The number of entries that the log must have before. */
  readonly sequence: number;
  readonly events: readonly LogEvent[];
  readonly reply?: ExecutionResult;
}

/** What {@linkcode WorkQueue.finish} takes. */
export interface FinishOptions extends AppendOptions {
  readonly result: ExecutionResult;
  readonly resultTtlSeconds: number;
  readonly historyTtlSeconds: number;
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
   * The feed from `after` on (or from now), live. `gap` comes first when entries after `after` are gone.
   */
  followFeed(options: WaitOptions & { after?: string }): AsyncIterable<FeedEntry | "gap">;
}

/** One check of `/health`. */
export interface StoreHealth {
  readonly status: "up" | "down" | "disabled" | "error";
  /** Milliseconds of one round trip. */
  readonly latency?: number;
  readonly detail?: string;
}

/** A whole driver. */
export interface Store extends AsyncDisposable {
  readonly driver: "redis" | "memory";
  /** How documents are kept. */
  readonly documents: "RedisJSON" | "strings" | "memory";
  readonly log: ExecutionLog;
  readonly work: WorkQueue;
  readonly projections: Projections;
  readonly workflows: WorkflowStore;
  /** How many callers of this instance wait for replies. */
  waiting(): number;
  /** False while the store cannot do its work. */
  ready(): boolean;
  health(): Promise<StoreHealth>;
}

/** A webhook path that a definition wants: unique over all workflows. */
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
