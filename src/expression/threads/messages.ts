/**
 * What an {@linkcode ExpressionThread} and the evaluator in its thread say to each other.
 */
import type { JsonValue } from "../../lib/json.ts";
import type { ExpressionJob } from "../expression_runner.ts";

/** What both of them can read and write at any time. */
export class Shared {
  /** What the other side is given to make the same of. */
  readonly buffer: SharedArrayBuffer;
  readonly #dropped: Int32Array;
  readonly #cpuStart: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#dropped = new Int32Array(buffer, 0, 1);
    this.#cpuStart = new Float64Array(buffer, 8, 1);
  }

  /** The number of the last job that nobody waits for any more. */
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

/** What the evaluator says: that it is ready, and where its processor time can be read; then one answer a job. */
export type EvaluatorMessage =
  | { readonly ready: true; readonly cpuPath: string | undefined }
  | { readonly number: number; readonly value: JsonValue }
  | { readonly number: number; readonly error: { code: string; message: string; detail: string | undefined } };
