/**
 * One outage of the store: what runs in the memory of this instance meanwhile, and how it leaves it.
 */
import { overlay } from "../lib/overlay.ts";
import { isEnded } from "./event.ts";
import type { ArrivingExecution } from "./arrivals.ts";
import type { ExecutionLog } from "./log.ts";
import type { Interruption, Replies } from "./replies.ts";
import type { ExecutionRequest } from "./request.ts";
import { createSubmit, type Submission, type Submitted } from "./submit.ts";

/** A submission, under the id that the store may know already. */
export type Accepting = Submission & { readonly executionId?: string | undefined };

/** What a session is made of: a store in memory, and a worker on it. */
export interface SessionParts extends AsyncDisposable {
  /** The logs in memory. */
  readonly log: ExecutionLog;
  /** The callers that wait for what runs in memory. */
  readonly replies: Replies;
  /** The size of the executions accepted so far. */
  readonly bytes: () => number;
  /** Makes ids that lie where the store looks for them. */
  readonly makeId: ExecutionLog["makeId"];
  /** How long the history of a saved execution is kept after its end, in seconds, at least. */
  readonly historyTtlSeconds: number;
  /** Lets the worker end what it can end soon, and stops it. */
  readonly stopWorker: () => Promise<void>;
}

/** The executions of one outage. */
export class FallbackSession implements AsyncDisposable {
  readonly #parts: SessionParts;
  readonly #requests = new Map<string, ArrivingExecution["request"]>();
  /** Callers that wait for executions that have not ended, by execution id. */
  readonly #moved = new Map<string, () => void>();
  #stopped: Promise<void> | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** For those who read its executions. */
  get log(): ExecutionLog {
    return this.#parts.log;
  }

  get size(): number {
    return this.#requests.size;
  }

  get bytes(): number {
    return this.#requests.size === 0 ? 0 : this.#parts.bytes();
  }

  has(executionId: string): boolean {
    return this.#requests.has(executionId);
  }

  /** Ends every wait with this reason. */
  closeReplies(reason: Interruption): void {
    this.#parts.replies.close(reason);
  }

  /** Starts an execution here. */
  async submit({ executionId, ...submission }: Accepting): Promise<Submitted> {
    const { log, replies, makeId, historyTtlSeconds } = this.#parts;
    const noted = overlay(log, {
      makeId: (options) => executionId ?? makeId(options),
      request: async (request) => {
        const accepted = await log.request(request);
        if (accepted.isNew) this.#note(request);
        return accepted;
      },
    });
    return await createSubmit({ log: noted, replies, historyTtlSeconds })(submission);
  }

  /** Stops the worker, and gives one execution after the other: all that {@linkcode forget} was not called for. */
  async *leave(): AsyncGenerator<ArrivingExecution> {
    this.#stopped ??= this.#parts.stopWorker();
    await this.#stopped;
    const { log } = this.#parts;
    for (const [executionId, request] of [...this.#requests]) {
      const events = await log.read(executionId);
      const meta = await log.meta(executionId);
      // It has expired, as it would have in the store.
      if (meta === undefined || events.length === 0) this.#requests.delete(executionId);
      else yield { request, events, result: isEnded(meta.status) ? await log.result(executionId) : undefined };
    }
  }

  /** Called once an execution is in the store: {@linkcode moved} resolves, and its waiters wait there from now on. */
  forget(executionId: string): void {
    this.#requests.delete(executionId);
    this.#moved.get(executionId)?.();
    this.#moved.delete(executionId);
  }

  /** Resolves when the execution has moved to the store. */
  moved(executionId: string): Promise<"moved"> {
    return new Promise((resolve) => this.#moved.set(executionId, () => resolve("moved")));
  }

  /** Forgets the waiter of an execution, which has its reply. */
  stay(executionId: string): void {
    this.#moved.delete(executionId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#parts.stopWorker();
    await this.#stopped;
    await this.#parts[Symbol.asyncDispose]();
  }

  #note({ input: _input, replyTo: _replyTo, ...request }: ExecutionRequest): void {
    this.#requests.set(request.executionId, request);
  }
}
