/**
 * One outage of the store: what runs in the memory of this instance meanwhile, and how it leaves it.
 */
import { overlay } from "../lib/overlay.ts";
import { isEnded, type StoredEvent } from "./event.ts";
import type { ArrivingExecution } from "./arrivals.ts";
import type { ExecutionLog, ReadOptions, WaitOptions } from "./log.ts";
import type { Interruption, Replies, Reply } from "./replies.ts";
import type { ExecutionRequest } from "./request.ts";
import { createSubmit, type Submission, type Submitted, waitForEarlier } from "./submit.ts";

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
  /** Executions that are being accepted under the ids that they have: each has one caller to be replied to. */
  readonly #arriving = new Map<string, Promise<Submitted>>();
  /** Called when an execution moves to the store, by its id. */
  readonly #moved = new Map<string, Set<() => void>>();
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

  /** Starts an execution here; one that another caller brought here under its id is waited for on its log. */
  async submit({ executionId, ...submission }: Accepting): Promise<Submitted> {
    if (executionId === undefined) return await this.#start(submission);
    while (this.#arriving.has(executionId)) await this.#arriving.get(executionId)!.catch(() => {});
    const { wait, signal } = submission;
    if (wait !== undefined && this.has(executionId)) {
      const { timeoutMs, replyEarly = false } = wait;
      const reply = waitForEarlier(this.#parts, executionId, { timeoutMs, replyEarly, signal: signal?.() });
      return { executionId, replayed: true, reply };
    }
    const started = this.#start(submission, executionId).finally(() => this.#arriving.delete(executionId));
    this.#arriving.set(executionId, started);
    return await started;
  }

  async #start(submission: Submission, executionId?: string): Promise<Submitted> {
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

  /** Called once an execution is in the store: who waits for it, or follows it, is called back and goes on there. */
  forget(executionId: string): void {
    this.#requests.delete(executionId);
    const waiting = this.#moved.get(executionId);
    this.#moved.delete(executionId);
    for (const tell of waiting ?? []) tell();
  }

  /** Called when an execution has expired, as it would have in the store. */
  drop(executionId: string): void {
    this.#requests.delete(executionId);
  }

  /** Settles as a caller's reply does, unless the execution has moved to the store before. */
  async settled(executionId: string, reply: Promise<Reply>): Promise<Reply | "moved"> {
    let leave = () => {};
    const moved = new Promise<"moved">((resolve) => leave = this.#onMoved(executionId, () => resolve("moved")));
    return await Promise.race([reply, moved]).finally(leave);
  }

  /** As {@linkcode ExecutionLog.tail}; ends too when the execution moves to the store. */
  async *tail(executionId: string, options: WaitOptions & Omit<ReadOptions, "limit">): AsyncIterable<StoredEvent> {
    const moved = new AbortController();
    const leave = this.#onMoved(executionId, () => moved.abort());
    try {
      const signal = AbortSignal.any([options.signal, moved.signal]);
      yield* this.log.tail(executionId, { ...options, signal });
    } finally {
      leave();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#parts.stopWorker();
    await this.#stopped;
    await this.#parts[Symbol.asyncDispose]();
  }

  /** Calls back when the execution has moved to the store; returns what takes the callback out again. */
  #onMoved(executionId: string, tell: () => void): () => void {
    const waiting = this.#moved.get(executionId) ?? new Set();
    this.#moved.set(executionId, waiting.add(tell));
    return () => {
      if (waiting.delete(tell) && waiting.size === 0) this.#moved.delete(executionId);
    };
  }

  #note({ input: _input, replyTo: _replyTo, ...request }: ExecutionRequest): void {
    this.#requests.set(request.executionId, request);
  }
}
