/**
 * What the scripts that request an execution take, and reply.
 */

/** What `requestExecution` takes. */
export interface RequestOptions {
  /** What the execution is kept under, and the queue, feed and timers of its partition. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly work: string;
    readonly feed: string;
    readonly timers: string;
    readonly values: string;
  };
  /** The execution. */
  readonly executionId: string;
  /** Its workflow. */
  readonly workflowId: string;
  /** The version that it runs. */
  readonly version: number;
  /** Id of the trigger node. */
  readonly trigger: string;
  /** Data of `execution.requested`, as JSON. */
  readonly data: string;
  /** The instance to reply to, or "". */
  readonly replyTo: string;
  /** Whether the caller is answered by the first node that responds. */
  readonly replyEarly: boolean;
  /** The trigger's output, as JSON, where it is large or not to travel with the work; else "". */
  readonly input: string;
  /** How another program runs it, if one does. */
  readonly external?: "taken" | "reported";
  /** Of the partition; for what another program runs. */
  readonly base: string;
  /** How long its result is kept, in seconds. */
  readonly resultTtlSeconds: number;
  /** How long its log is kept from its end on, in seconds. */
  readonly historyTtlSeconds: number;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Where slots, a lock or an idempotency key are at stake. */
  readonly admission?: AdmissionOptions;
}

/** What a request draws on besides its own log. */
export interface AdmissionOptions {
  /** The slots of the workflow, the executions that wait for one, and the idempotency record. */
  readonly keys: {
    /** The idempotency record. */
    readonly record: string;
  };
  /** How many executions of the workflow may run at once; absent when there is no limit. */
  readonly slots?: number;
  /** Digest of the value of its lock; absent when it has none. */
  readonly lock?: string;
  /** What happens when its lock or no slot is free, or "". */
  readonly onOverlap: string;
  /** The fingerprint of a request with an idempotency key, or "". */
  readonly fingerprint: string;
  /** How long the idempotency record is kept. */
  readonly recordTtlSeconds: number;
  /** What the names of the partition's keys begin with. */
  readonly base: string;
}

/** What is another at each sending of a request. */
export interface Sending {
  /** When it is sent, by Redis's clock, in milliseconds since the epoch. */
  readonly time: number;
  /** Whether it may have been sent before. */
  readonly again: boolean;
  /** How many executions may be queued or run in this partition; absent, they are not counted, which `admission` needs. */
  readonly queueLimit?: number | undefined;
  /** For how long the sender has it, to run it itself, in milliseconds; absent, it goes on the work stream. */
  readonly leaseMs?: number | undefined;
}

/** What `requestExecution` replies. */
export interface RequestReply {
  readonly what: "ok" | "local" | "existing" | "reused" | "full" | "late" | "rejected";
  /** How many were queued or run before this one, where they were counted. */
  readonly length?: number;
  /** The executions that the outcome concerns. */
  readonly executionIds: readonly string[];
}
