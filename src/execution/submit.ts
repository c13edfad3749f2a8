/**
 * The one way to start an execution: used by webhooks, manual runs, requeued dead letters and schedules.
 *
 * @example
 * ```ts
 * const submit = createSubmit({ log: store.log, replies: store.replies, historyTtlSeconds: 86_400 });
 *
 * // Without a wait: the execution is accepted, and will end.
 * const { executionId } = await submit({ workflow, trigger: "hourly", input: null });
 *
 * // With a key of one's own: repeated submissions start one execution.
 * const idempotency = { key: ownKey(`requeue:${id}`), fingerprint: id, ttlSeconds: 86_400 };
 * await submit({ workflow, trigger, input, idempotency });
 *
 * // With a wait for the reply.
 * const { reply } = await submit({ workflow, trigger, input, wait: { timeoutMs: 30_000 } });
 * const { result, interrupted } = await reply!;
 * ```
 */
import { MillraceError } from "../lib/errors.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import { appendRequest, outcomeUnknown } from "./append_request.ts";
import type { Way } from "./claim.ts";
import { makeRequest, type RequestParts } from "./execution_request.ts";
import type { ExecutionLog } from "./log.ts";
import type { Replies, Reply, Waiter } from "./replies.ts";
import type { ExecutionRequest } from "./request.ts";
import { locked } from "./workflow_lock.ts";
import type { LocalPlace } from "./short_way.ts";
import { type Accepted, mayRunUnwritten, type ShortWayParts, submitLocally } from "./submit_locally.ts";
import { type LogPorts, type ResultWait, waitForResult } from "./wait_on_log.ts";

/** What starts an execution of a workflow. */
export interface Submission extends Omit<RequestParts, "historyTtlSeconds"> {
  /** Absent: the reply is not waited for. */
  readonly wait?: SubmissionWait | undefined;
  /**
   * Gives the signal that aborts when the submitter disconnects: an append whose outcome is unknown is then not sent
   * again, and a wait that lasts ends.
   */
  readonly signal?: (() => AbortSignal) | undefined;
}

/** How the reply is waited for. */
export interface SubmissionWait {
  /** From the submission on, in milliseconds. */
  readonly timeoutMs: number;
  /** Reply the moment that a node responds, not at the end; default false. */
  readonly replyEarly?: boolean;
}

/** An execution that was accepted: it ends, whatever happens to this instance. */
export interface Submitted {
  /** The execution's id: an earlier one's, where the idempotency key had started it. */
  readonly executionId: string;
  /** True for the latter. */
  readonly replayed: boolean;
  /** Where it is kept, if not in the store; where its reply is waited for, known once that has come. */
  readonly durability?: "memory";
  /**
   * Which way the execution took; an earlier one may have taken another. Absent where the store was not there to say.
   */
  readonly way?: Way;
  /**
   * What the wait came to; absent where nobody waits. Rejects with `execution_lost`, and with `result_not_found` where
   * the earlier execution's result has expired; an unused rejection is not reported as unhandled.
   */
  readonly reply?: Promise<Reply>;
}

/**
 * Resolves once the execution is accepted.
 *
 * 1. The waiter is registered before the request is appended, so no reply can be too early for it.
 * 2. The waiter is freed on every way out: reply, deadline, caller gone, closing, failed append, earlier execution.
 * 3. Neither a deadline, nor a caller that goes, nor an instance that closes ends the execution.
 * 4. When the instance closes, callers are told of their executions after these were appended, not before.
 * 5. A caller is told that its execution runs on only if the request is known to be appended.
 *
 * A request whose idempotency key was used waits for that execution instead, on its log.
 *
 * @throws {MillraceError} what `ExecutionLog.request` throws; `invalid_lock` where `settings.lock` has no value;
 * `unavailable` when nothing was started for certain, `outcome_unknown` (with the execution's id) when nobody can say,
 * `too_many_waiters` and `shutting_down` when somebody would wait
 */
export type Submit = (submission: Submission) => Promise<Submitted>;

/** What {@linkcode createSubmit} takes. */
export interface SubmitOptions {
  /** Where requests are appended. */
  readonly log: ExecutionLog;
  /** The callers of this instance that wait for replies. */
  readonly replies: Replies;
  /** Runs executions on this instance, while it has room; absent, all go over the work queue. */
  readonly local?: ShortWayParts | undefined;
  /** How long the history of a saved execution is kept after its end, in seconds, at least. */
  readonly historyTtlSeconds: number;
}

/** Makes the function with which an instance starts executions. */
export function createSubmit({ log, replies, local, historyTtlSeconds }: SubmitOptions): Submit {
  /** A place on this instance. Only what may run before it is written waits for one: nothing is accepted meanwhile. */
  function placeFor(
    request: ExecutionRequest,
    workflow: CompiledWorkflow,
    mostMs: number,
  ): LocalPlace | undefined | Promise<LocalPlace | undefined> {
    const { executionId, external } = request;
    // What another program runs has no place here.
    if (local === undefined || external !== undefined) return undefined;
    const place = local.runner.reserve(executionId, workflow);
    if (place !== undefined || !mayRunUnwritten(request, workflow)) return place;
    return local.runner.wait(executionId, workflow, { mostMs });
  }

  /** The short way while there is room, else over the work queue. */
  function append(
    request: ExecutionRequest,
    workflow: CompiledWorkflow,
    { isOver, waitMs = 0 }: { isOver: () => boolean; waitMs?: number },
  ): Promise<Accepted> {
    async function overQueue(): Promise<Accepted> {
      return { ...await appendRequest(() => log.request(request), request, isOver), way: "queue" };
    }
    const appendAt = (place: LocalPlace | undefined) =>
      place === undefined
        ? overQueue()
        : submitLocally(request, { log, shortWay: local!.shortWay, place, workflow, isOver });
    // The other half of the time is for the way over the work queue.
    const found = placeFor(request, workflow, waitMs / 2);
    return found instanceof Promise ? found.then(appendAt) : appendAt(found);
  }
  return async function submit(submission) {
    const startedAt = performance.now();
    const { wait, signal, workflow } = submission;
    const drawn = makeRequest(log, { ...submission, historyTtlSeconds });
    const { lock } = workflow;
    const made = lock === undefined ? drawn : await locked(drawn, lock);
    const isOver = () => replies.closed || signal?.().aborted === true;
    if (wait === undefined) {
      const { executionId, way } = await append(made, workflow, { isOver });
      return { executionId, replayed: executionId !== made.executionId, way };
    }
    const { timeoutMs, replyEarly = false } = wait;
    const until = startedAt + timeoutMs;
    const waiter = replies.wait(made.executionId, { timeoutMs: until - performance.now(), signal });
    let accepted: Accepted;
    try {
      const request = { ...made, replyTo: replies.instance, replyEarly };
      accepted = await beforeDeadline(
        waiter,
        request,
        append(request, workflow, {
          isOver: () => waiter.interrupted !== undefined,
          waitMs: until - performance.now(),
        }),
      );
    } catch (error) {
      waiter.abandon();
      throw error;
    }
    const { executionId, way } = accepted;
    if (executionId === made.executionId) return { executionId, replayed: false, way, reply: waiter.reply };
    waiter.abandon();
    const reply = waitForEarlier({ log, replies }, executionId, {
      timeoutMs: until - performance.now(),
      signal: signal?.(),
      replyEarly,
    });
    return { executionId, replayed: true, way, reply };
  };
}

/** Waits for an append; what is not known to be appended by the waiter's deadline has an unknown outcome. */
function beforeDeadline(waiter: Waiter, request: ExecutionRequest, append: Promise<Accepted>): Promise<Accepted> {
  return new Promise((resolve, reject) => {
    waiter.onDeadline = () => reject(outcomeUnknown(request));
    append.then((accepted) => {
      waiter.onDeadline = undefined;
      resolve(accepted);
    }, reject);
  });
}

/** Waits for the answer of an execution that an earlier request had started; see {@linkcode Submitted.reply}. */
export function waitForEarlier(ports: LogPorts, executionId: string, options: ResultWait): Promise<Reply> {
  const reply = waitForResult(ports, executionId, options).then((reply) => {
    if (reply === undefined) throw resultNotFound(executionId);
    return reply;
  });
  reply.catch(() => {});
  return reply;
}

/** The error for a result that has expired before the execution's history. */
export function resultNotFound(executionId: string): MillraceError {
  return new MillraceError("result_not_found", `The result of the execution "${executionId}" has expired`);
}

/** The execution id that an error of {@linkcode Submit} names: the execution runs, or its state is unknown. */
export function executionIdOf(error: unknown): string | undefined {
  if (!(error instanceof MillraceError)) return undefined;
  const id = error.options.extensions?.["executionId"];
  return typeof id === "string" ? id : undefined;
}
