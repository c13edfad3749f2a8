/**
 * What starts an execution, as the log takes it.
 */
import type { JsonValue } from "../lib/json.ts";
import type { EventData } from "./event.ts";
import type { ForkOrigin } from "./fork.ts";

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
  /** How long the result lives after the end, in seconds. */
  readonly resultTtlSeconds: number;
  /** How long log and meta live after the end, in seconds. */
  readonly historyTtlSeconds: number;
  /** The longest that the execution may take, its time in queues included, in milliseconds. */
  readonly timeoutMs: number;
  /** A second request with this key (one namespace a workflow) starts nothing. */
  readonly idempotency?: Idempotency;
  /** What it is a fork of, and where it begins; such a request goes over the log, never with its input in a claim. */
  readonly fork?: ForkOrigin;
  /** The name of the API token that started it. Default none: a webhook, a schedule, or a token without a name. */
  readonly startedBy?: string;
  /** What must be free before it runs. */
  readonly concurrency?: Concurrency;
  /** Another program runs it: one to which it is handed out, or whoever requests it, who reports by itself. */
  readonly external?: "taken" | "reported";
}

/** What the log's first event says of a request. */
export function requestedData(request: ExecutionRequest): EventData["execution.requested"] {
  const { workflowId, version, trigger, input, fork, startedBy } = request;
  const data: EventData["execution.requested"] = { workflowId, version, trigger, input };
  if (fork !== undefined) data.fork = fork;
  if (startedBy !== undefined) data.startedBy = startedBy;
  return data;
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

/** Begins the keys that no client can send: it is no printable ASCII. */
const OWN = "§";

/** A key for what Millrace itself does once: no client can send it. */
export function ownKey(what: string): string {
  return `${OWN}${what}`;
}

/**
 * What must be free before an execution runs, one at least of the two, and what happens to a request that does not find it
 * so. Of those that wait, the oldest comes first. The lock is taken before the slot.
 */
export interface Concurrency {
  /** How many executions of its workflow may be under way at once; absent: any number. */
  readonly limit?: number;
  /** Digest of a value: of its workflow one execution at a time has it; see `workflow_lock.ts`. */
  readonly lock?: string;
  readonly onOverlap: "queue" | "reject" | "cancelPrevious";
}

/** What became of a request. */
export interface Acceptance {
  /** Not the request's own where its idempotency key had been used. */
  readonly executionId: string;
  /** False: the execution was there before, by its idempotency key. */
  readonly isNew: boolean;
}
