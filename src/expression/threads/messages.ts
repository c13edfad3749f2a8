/**
 * Messages between an {@linkcode ExpressionThread} and the evaluator in its thread.
 */
import type { JsonValue } from "../../lib/json.ts";
import type { ExpressionJob } from "../expression_runner.ts";

/** Memory that both sides can read and write at any time. */
export class Shared {
  /** The memory itself, to construct the other side's view of it. */
  readonly buffer: SharedArrayBuffer;
  readonly #dropped: Int32Array;
  readonly #cpuStart: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#dropped = new Int32Array(buffer, 0, 1);
    this.#cpuStart = new Float64Array(buffer, 8, 1);
  }

  /** The number of the last job that was dropped. */
  get dropped(): number {
    return Atomics.load(this.#dropped, 0);
  }
  set dropped(number: number) {
    Atomics.store(this.#dropped, 0, number);
  }

  /** The thread's processor time when its job began; `NaN` before that. */
  get cpuStart(): number {
    return this.#cpuStart[0]!;
  }
  set cpuStart(ms: number) {
    this.#cpuStart[0] = ms;
  }
}

/** A job for the evaluator. */
export interface JobMessage extends ExpressionJob {
  /** Counts from 1 in each thread. */
  readonly number: number;
}

/** First that the evaluator is ready, with the path of its processor time; then one answer for each job. */
export type EvaluatorMessage =
  | { readonly ready: true; readonly cpuPath: string | undefined }
  | { readonly number: number; readonly value: JsonValue }
  | { readonly number: number; readonly error: { code: string; message: string; detail: string | undefined } };
