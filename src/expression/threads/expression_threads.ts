/**
 * A pool of threads for expressions that are too much for the main thread.
 *
 * 1. A thread is started when there is a job and none is free, up to their number, and then kept.
 * 2. Owners take turns: see {@linkcode FairQueue}. Waiting does not count towards a job's time limit, and a job is copied
 *    only when a thread takes it.
 * 3. A job whose signal aborts leaves the queue, or its thread ends it within a millisecond.
 *
 * @example
 * ```ts
 * await using threads = new ExpressionThreads({ threads: availableParallelism() - 1 });
 * compileExpression(source, { runner: threads });
 * ```
 */
import { RetryableError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { ExpressionJob, ExpressionRunner } from "../expression_runner.ts";
import { ExpressionThread } from "./expression_thread.ts";
import { FairQueue } from "./fair_queue.ts";

/** Options of {@linkcode ExpressionThreads}. */
export interface ExpressionThreadsOptions {
  /** Largest number of threads; less than 1 counts as 1. Required. */
  readonly threads: number;
  /** Number of jobs that may wait. Default 10,000. */
  readonly maxWaiting?: number;
  /** Largest heap of a thread, in MiB. Default 256. */
  readonly memoryMib?: number;
  /** Called with the error that ended a thread, unless a job was the cause. Default none. */
  readonly onError?: (error: unknown) => void;
}

interface Waiting {
  readonly job: ExpressionJob;
  readonly resolve: (value: JsonValue | Promise<JsonValue>) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
}

/** Evaluates expressions in threads. */
export class ExpressionThreads implements ExpressionRunner, AsyncDisposable {
  readonly #options: ExpressionThreadsOptions;
  readonly #queue = new FairQueue<Waiting>();
  readonly #threads = new Set<ExpressionThread>();
  /** The threads that have no job. */
  readonly #free: ExpressionThread[] = [];
  /** Number of threads that are starting. */
  #starting = 0;
  #closed = false;

  constructor(options: ExpressionThreadsOptions) {
    this.#options = options;
  }

  async run(
    job: ExpressionJob,
    options: { owner: string; signal: AbortSignal | undefined },
  ): Promise<JsonValue> {
    const { owner, signal } = options;
    const { maxWaiting = 10_000 } = this.#options;
    signal?.throwIfAborted();
    if (this.#closed || this.#queue.size >= maxWaiting) {
      const detail = this.#closed ? "The instance stops" : `${maxWaiting} expressions wait already`;
      throw new RetryableError("expression_busy", "Too many expressions wait to be evaluated", { detail });
    }
    let abort: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const waiting = { job, resolve, reject, signal };
        abort = () => {
          this.#queue.delete(owner, waiting);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", abort, { once: true });
        this.#queue.push(owner, waiting);
        this.#next();
      });
    } finally {
      if (abort !== undefined) signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends all threads; waiting and running jobs fail with `expression_busy`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const error = new RetryableError("expression_busy", "Too many expressions wait to be evaluated", {
      detail: "The instance stops",
    });
    for (let waiting = this.#queue.shift(); waiting !== undefined; waiting = this.#queue.shift()) waiting.reject(error);
    await Promise.all([...this.#threads].map((thread) => thread.terminate(error)));
  }

  /** Gives waiting jobs to free threads, and starts another thread where none is free. */
  #next(): void {
    while (this.#queue.size > 0) {
      const thread = this.#free.pop();
      if (thread === undefined) return this.#start();
      const waiting = this.#queue.shift()!;
      void this.#give(thread, waiting);
    }
  }

  async #give(thread: ExpressionThread, { job, resolve, reject, signal }: Waiting): Promise<void> {
    // Invariant 3: the evaluator looks at it between steps.
    const drop = () => thread.drop();
    signal?.addEventListener("abort", drop, { once: true });
    try {
      resolve(await thread.run(job));
    } catch (error) {
      reject(error);
    } finally {
      signal?.removeEventListener("abort", drop);
      if (this.#threads.has(thread)) this.#free.push(thread);
      this.#next();
    }
  }

  /** Invariant 1. */
  #start(): void {
    const { threads: most, memoryMib = 256, onError } = this.#options;
    if (this.#closed || this.#threads.size >= Math.max(1, most) || this.#starting >= this.#queue.size) return;
    let started = false;
    const ready = () => {
      if (!started) this.#starting--;
      started = true;
    };
    this.#starting++;
    const thread = new ExpressionThread({
      memoryMib,
      onReady: () => {
        ready();
        this.#free.push(thread);
        this.#next();
      },
      onEnd: (error) => {
        // A thread that fails to start fails a job too: otherwise threads would be started for it without end.
        if (!started) this.#queue.shift()?.reject(error);
        ready();
        this.#threads.delete(thread);
        const index = this.#free.indexOf(thread);
        if (index >= 0) this.#free.splice(index, 1);
        if (error !== undefined && !this.#closed) onError?.(error);
        this.#next();
      },
    });
    this.#threads.add(thread);
  }
}
