/**
 * Workflows as types: the JSON that is PUT, and the compiled form that runs.
 */
import type { AddressRange } from "../lib/address_ranges.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import type { Scope, Template } from "../expression/scope.ts";
import type { Graph } from "./graph.ts";
import type { NodeLock } from "./node_lock.ts";
import type { NodeRateLimit } from "./node_rate_limit.ts";

/** When a webhook's caller is answered. */
export type ResponseMode = "onReceived" | "lastNode" | "responseNode";

/** Retries of a node: exponential backoff with full jitter. */
export interface RetryPolicy {
  /** Tries in all, the first one counted. */
  maxAttempts: number;
  /** Upper bound of the first delay, in milliseconds; it doubles with each try. */
  backoffMs: number;
  /** Upper bound of every delay, in milliseconds. */
  maxBackoffMs: number;
}

/** A node as the definition has it, after defaults. */
export interface NodeDefinition {
  id: string;
  type: string;
  name?: string | undefined;
  parameters: JsonObject;
  retry?: RetryPolicy | undefined;
  /** Longest time of one try, in seconds; unbounded if absent. */
  timeoutSeconds?: number | undefined;
  /** The lock that it runs under, if any. */
  lock?: NodeLock | undefined;
  /** How often it may call out, if that is limited. */
  rateLimit?: NodeRateLimit | undefined;
  /** What a failure of this node does: `fail` (default) ends the execution. */
  onError: "fail" | "continue" | "branch";
}

/** An edge from one node to another; `output` is `"main"` unless named. */
export interface Connection {
  from: string;
  to: string;
  output: string;
}

/** Settings of a workflow, after defaults. */
export interface WorkflowSettings {
  /** Keep the log after the end for the history TTL, not only for `resultTtlSeconds`. Default true. */
  saveExecutionToDatabase: boolean;
  /** Longest time of an execution, its time in queues included, in seconds. Default 300. */
  timeoutSeconds: number;
  /** Time that the result stays readable after the end, in seconds. Default 60. */
  resultTtlSeconds: number;
  /** Number of executions of the workflow that may run at the same time; unbounded if absent. */
  concurrency?: number | undefined;
  /**
   * A template over the trigger's output: of the executions for which it has the same value one runs at a time, from
   * its start to its end. An execution for which it has no text, number or truth value is refused with `invalid_lock`.
   */
  lock?: string | undefined;
  /**
   * What happens to an execution whose `lock` is held, or that would exceed `concurrency`; without both, 1 is the
   * limit. Default `queue`, for schedules `skip`, which to a caller is the same as `reject`.
   */
  onOverlap?: "queue" | "reject" | "cancelPrevious" | "skip" | undefined;
  /** Whether its workers may run it in memory while Redis is away; by default where that can do no harm. */
  fallback?: boolean | undefined;
  /** Words to find its executions by: templates by name, evaluated over the trigger's output when one starts. */
  tags?: Record<string, string> | undefined;
  /** Keep the answers of its webhooks: see {@linkcode CacheSettings}. */
  cache?: CacheSettings | undefined;
}

/** Caching of a webhook's answers for equal calls. */
export interface CacheSettings {
  /** How long an answer is kept that says nothing of it by `Cache-Control`, in seconds. */
  ttlSeconds: number;
  /** Headers by which answers differ, besides credentials. */
  key?: string[] | undefined;
}

/** A workflow definition, checked and with its defaults. */
export interface WorkflowDefinition {
  name: string;
  /** An inactive workflow's webhooks answer 404; default true. */
  active: boolean;
  settings: WorkflowSettings;
  nodes: NodeDefinition[];
  connections: Connection[];
}

/** A definition as the store has it. */
export interface StoredWorkflow {
  id: string;
  /** Counts from 1 with each PUT that changes something. */
  version: number;
  definition: WorkflowDefinition;
  /** Epoch milliseconds of the PUT that made this version. */
  updatedAt: number;
  /** The name of the API token that made this version, if it was one with a name. */
  changedBy?: string;
}

/** What a webhook trigger listens to, and when its callers are answered. */
export interface Webhook {
  /** The trigger's id. */
  readonly nodeId: string;
  /** Without leading slash, with `:name` segments. */
  readonly path: string;
  /** Upper case. */
  readonly methods: readonly string[];
  readonly responseMode: ResponseMode;
  /** How long a caller waits for the answer, in seconds. */
  readonly timeoutSeconds: number;
  /** Its executions are handed out to other programs. */
  readonly executor?: "external";
  /** How callers are verified; absent: everybody may call. */
  readonly verify?: Verification;
  /** Headers with credentials that are recorded all the same, in lower case. Default none. */
  readonly recordHeaders?: readonly string[];
  /** Where callers may call from; absent: from everywhere. */
  readonly allow?: readonly AddressRange[];
  /** How often it may be called, as a whole or by what `key` makes of the trigger's output; absent: without a limit. */
  readonly rateLimit?: { readonly limit: number; readonly perSeconds: number; readonly key?: Template };
}

/** How the callers of a webhook are verified. */
export interface Verification {
  readonly scheme: "standard" | "github" | "stripe" | "slack" | "shopify" | "hmac" | "basic" | "bearer";
  /** `env:NAME` each; one of them must hold, so that they can be rotated. */
  readonly secrets: readonly string[];
  /** How far from now a signature's time may lie, in seconds. */
  readonly toleranceSeconds: number;
  /** Of `hmac`: the header with the signature, in lower case. */
  readonly header?: string;
  /** Of `hmac`: what the header's value begins with. Default "". */
  readonly prefix?: string;
  /** Of `hmac`. Default `SHA-256`. */
  readonly hash?: "SHA-1" | "SHA-256" | "SHA-512";
  /** Of `hmac`. Default `hex`. */
  readonly encoding?: "hex" | "base64";
  /** Of `hmac`: what is signed, with `{body}`, `{timestamp}` and `{delivery}` in it. Default `{body}`. */
  readonly signed?: string;
  /** Of `hmac`: the header with the epoch seconds at which it was signed. Default none. */
  readonly timestampHeader?: string;
  /** Of `hmac`: the header that names the delivery. Default none. */
  readonly deliveryHeader?: string;
}

/** A schedule trigger of a workflow: it has either `cron` or `everySeconds`. */
export interface Schedule {
  readonly nodeId: string;
  /** A cron pattern of five or six fields. */
  readonly cron?: string;
  /** Whole seconds, from 1 on. */
  readonly everySeconds?: number;
  /** IANA name, by which the pattern goes. */
  readonly timeZone: string;
  /** What becomes of runs that were missed: none, the last or all of them are made up for. */
  readonly catchUp: "none" | "last" | "all";
  /** How late a run may be made up for, in seconds. */
  readonly catchUpWindowSeconds: number;
  /** The most by which a run is put off, in seconds: each by its own part of it. */
  readonly jitterSeconds: number;
  /** What the trigger's output has besides `scheduledAt`. */
  readonly input: JsonObject;
}

/** A version of a workflow, ready to run: checked, parsed, frozen. */
export interface CompiledWorkflow {
  readonly id: string;
  readonly version: number;
  readonly definition: WorkflowDefinition;
  readonly updatedAt: number;
  /** The name of the API token that made this version, if it was one with a name. */
  readonly changedBy?: string;
  readonly graph: Graph;
  readonly webhooks: readonly Webhook[];
  readonly schedules: readonly Schedule[];
  /** The id of the `manual` trigger, if the workflow has one. */
  readonly manualTrigger: string | undefined;
  /** Per node id what its type made of its parameters. */
  readonly run: ReadonlyMap<string, NodeRun>;
  /** What `settings.tags` compiles to; absent where there are none. */
  readonly tags?: ReadonlyMap<string, Template>;
  /** What `settings.lock` compiles to; absent where there is none. */
  readonly lock?: Template;
}

/** What a node produces: its output, and the named outputs that deliver it (`["main"]` by default). */
export interface NodeResult {
  readonly output: JsonValue;
  readonly outputs?: string[];
}

/** A node's wait until a time, in place of a result: the node is run again then, by any worker. */
export interface NodeWait {
  /** Epoch milliseconds, by {@linkcode NodeContext.now}. */
  readonly waitUntil: number;
}

/** What a node says of how far it is. */
export interface NodeReport {
  /** 0 to 100; what is outside counts as the nearer of these. */
  readonly percent?: number | undefined;
  /** Anything that tells more, for those who follow: 16 KB of JSON at most, else `null` stands for it. */
  readonly data?: JsonValue | undefined;
}

/** What a node is given when it runs. */
export interface NodeContext {
  /** What its expressions see. */
  readonly scope: Scope;
  readonly nodeId: string;
  /** Counts the tries from 1. */
  readonly attempt: number;
  /**
   * The time that the node waited for, in epoch milliseconds; present when it is run again after a {@linkcode
   * NodeWait}.
   */
  readonly waitedUntil?: number;
  /** The node runs against a record: it touches nothing outside, locks neither. */
  readonly isStub?: true;
  /** The longest wait in the process, in milliseconds; for a longer one the execution is suspended. */
  readonly inlineWaitMs?: number;
  /**
   * To be called before a call goes out; it throws where the call is to come later, which is no failure of the node. With
   * `keepsPlace: false` for a call that will not be tried again then.
   */
  readonly beforeCall?: (how?: { keepsPlace?: boolean }) => Promise<void>;
  /**
   * Tells those who follow how far the node is, as `node.progress`. It may be called as often as one likes: ten times a
   * second at most are written, and the last one before the node's end. It never throws, nor waits.
   */
  readonly progress: (report: NodeReport) => void;
  /** Epoch milliseconds by the store's clock, the same for every process. */
  readonly now: () => number;
  /** Aborts on the node's timeout, the execution's deadline, a cancellation, or when another worker took over. */
  readonly signal: AbortSignal;
  /** `<executionId>:<nodeId>`: the same for every try, to pass downstream. */
  readonly idempotencyKey: string;
  /** W3C trace context of this node. */
  readonly traceparent: string;
}

/** Runs one node, by a promise only where it needs one. Throws or rejects with `TerminalError` or `RetryableError`. */
export type NodeRun = (context: NodeContext) => NodeResult | NodeWait | Promise<NodeResult | NodeWait>;
