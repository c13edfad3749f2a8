/**
 * One thread that evaluates expressions, one at a time.
 *
 * 1. A job has `timeoutMs` of the thread's own processor time. The evaluator enforces it; a step that it cannot stop,
 *    such as one long match, is ended with the thread.
 * 2. The memory of a thread is bounded: one that exceeds it dies with its job, and affects nothing else.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { TerminalError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { ExpressionJob } from "../expression_runner.ts";
import { EXPRESSION_MESSAGES } from "../expression_result.ts";
import { readCpuMs } from "./cpu_clock.ts";
import { type EvaluatorMessage, Shared } from "./messages.ts";

/** The evaluator as source or as built, like this file. */
const EVALUATOR = new URL(import.meta.url.endsWith(".ts") ? "./evaluator.ts" : "./evaluator.js", import.meta.url);

/** The evaluator itself where the runtime can load it, else a program that registers a TypeScript loader first. */
function program(): { code: string | URL; isText: boolean } {
  const { features } = process as { features: { typescript?: unknown } };
  if (EVALUATOR.pathname.endsWith(".js") || features.typescript || "Deno" in globalThis) {
    return { code: EVALUATOR, isText: false };
  }
  const tsx = import.meta.resolve("tsx/esm/api");
  return { code: `import("${tsx}").then(({ register }) => (register(), import("${EVALUATOR}")))`, isText: true };
}

/** Time beyond the limit in which the evaluator may end the job itself, in milliseconds. */
const GRACE_MS = 50;

/** Shortest interval of reads of the processor time, in milliseconds. */
const LOOK_MS = 10;

/** As in the evaluator: factor to wall time, where there is no clock. */
const WALL_FACTOR = 4;

interface Running {
  readonly job: ExpressionJob;
  readonly number: number;
  readonly startedAt: number;
  readonly resolve: (value: JsonValue) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread and its job. */
export class ExpressionThread {
  readonly #worker: Worker;
  readonly #memoryMib: number;
  readonly #shared = new Shared();
  readonly #onEnd: (error: unknown) => void;
  #cpuPath: string | undefined;
  #running: Running | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #number = 0;
  #ended = false;

  /**
   * @param options.memoryMib old generation of the heap, in MiB; the young one has 32 MiB
   * @param options.onReady called when the thread can take its first job
   * @param options.onEnd called when the thread has ended; with the error, unless a job was the cause
   */
  constructor(options: { memoryMib: number; onReady: () => void; onEnd: (error: unknown) => void }) {
    this.#onEnd = options.onEnd;
    this.#memoryMib = options.memoryMib;
    const { code, isText } = program();
    this.#worker = new Worker(code, {
      eval: isText,
      workerData: this.#shared.buffer,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMib, maxYoungGenerationSizeMb: 32 },
      // Neither settings nor secrets of this process.
      env: {},
      execArgv: [],
    });
    this.#worker.on("message", (message: EvaluatorMessage) => {
      if ("ready" in message) {
        this.#cpuPath = message.cpuPath;
        // An idle thread does not keep the process alive.
        if (this.#running === undefined) this.#worker.unref();
        options.onReady();
      } else this.#answer(message);
    });
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (code) => this.#end(new Error(`A thread for expressions ended with ${code}`)));
  }

  /** Evaluates a job; call only when the thread is ready and has no other. */
  run(job: ExpressionJob): Promise<JsonValue> {
    const number = ++this.#number;
    this.#worker.ref();
    // The earliest time at which the limit can be up.
    this.#timer = setTimeout(() => this.#look(), job.limits.timeoutMs + GRACE_MS);
    return new Promise((resolve, reject) => {
      this.#running = { job, number, startedAt: performance.now(), resolve, reject };
      this.#shared.cpuStart = NaN;
      try {
        this.#worker.postMessage({ ...job, number });
      } catch (error) {
        this.#settle((running) => running.reject(error));
      }
    });
  }

  /** Tells the evaluator that its job is not needed any more. */
  drop(): void {
    if (this.#running !== undefined) this.#shared.dropped = this.#running.number;
  }

  /** Ends the thread; its job, if any, fails with `error`. */
  async terminate(error: unknown): Promise<void> {
    this.#ended = true;
    this.#settle((running) => running.reject(error));
    await this.#worker.terminate();
  }

  #answer(message: Exclude<EvaluatorMessage, { ready: true }>): void {
    if (message.number !== this.#running?.number) return;
    this.#settle(({ resolve, reject }) => {
      if ("value" in message) return resolve(message.value);
      const { code, message: text, detail } = message.error;
      reject(new TerminalError(code, text, detail === undefined ? {} : { detail }));
    });
  }

  /** Invariant 1. */
  #look(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { job: { source, limits: { timeoutMs } }, startedAt } = running;
    const cpu = this.#cpuPath === undefined ? undefined : readCpuMs(this.#cpuPath);
    // On a busy machine the job may not have begun: it then has all of its time left.
    const { cpuStart } = this.#shared;
    const left = cpu === undefined
      ? timeoutMs * WALL_FACTOR + GRACE_MS - (performance.now() - startedAt)
      : timeoutMs + GRACE_MS - (Number.isNaN(cpuStart) ? 0 : cpu - cpuStart);
    if (left > 0) {
      this.#timer = setTimeout(() => this.#look(), Math.max(left, LOOK_MS));
      return;
    }
    const detail = `"${source.slice(0, 80)}" took longer than ${timeoutMs} ms`;
    const error = new TerminalError("expression_timeout", EXPRESSION_MESSAGES.expression_timeout, { detail });
    void this.terminate(error).catch(() => {});
    this.#onEnd(undefined);
  }

  /** The thread died. */
  #end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const isMemory = (error as { code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY";
    const failed = this.#settle(({ job: { source }, reject }) => {
      if (!isMemory) return reject(error);
      const detail = `"${source.slice(0, 80)}" took more memory than ${this.#memoryMib} MiB`;
      reject(new TerminalError("expression_limit", EXPRESSION_MESSAGES.expression_limit, { detail }));
    });
    this.#onEnd(failed && isMemory ? undefined : error);
  }

  #settle(how: (running: Running) => void): boolean {
    clearTimeout(this.#timer);
    const running = this.#running;
    this.#running = undefined;
    if (!this.#ended) this.#worker.unref();
    if (running !== undefined) how(running);
    return running !== undefined;
  }
}
