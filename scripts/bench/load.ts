/**
 * Callers: each sends its next request when the one before was answered, over a connection of its own.
 */
import { Pool } from "undici";

/** A server to call. */
export interface Target {
  readonly origin: string;
  readonly path: string;
  readonly status: number;
  /** The body of call number `n`. */
  readonly body: (n: number) => string;
  /** What it must be answered; anything else counts as lost. */
  readonly answer: (n: number) => string;
}

/** The result of one measurement. */
export interface Load {
  /** Milliseconds of each answer, in no order. */
  readonly latencies: number[];
  /** Calls that got no answer, or a wrong one. */
  lost: number;
  /** The first loss, in words. */
  firstLoss?: string;
  seconds: number;
}

/** A call without an answer for this long is lost, in milliseconds. */
const ANSWER_MS = 30_000;
/** Every call of this process has a number of its own. */
let calls = 0;

/**
 * Load before a measurement, until what runs is compiled: V8 compiles a program of some thousand functions over its first
 * ten thousand calls, on threads whose time counts as the process's.
 */
export async function warmUp(target: Target, { short }: { short: boolean }): Promise<void> {
  await drive(target, short ? { callers: 16, seconds: 0.2 } : { callers: 64, seconds: 20, answers: 20_000 });
}

/** Calls for `seconds`, or until there are so many `answers`, and waits for what is under way then. */
export async function drive(
  target: Target,
  options: { callers: number; seconds: number; answers?: number },
): Promise<Load> {
  const { callers, seconds, answers = Infinity } = options;
  const pool = new Pool(target.origin, {
    connections: callers,
    pipelining: 1,
    connectTimeout: ANSWER_MS,
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
  });
  const load: Load = { latencies: [], lost: 0, seconds: 0 };
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const headers = { "content-type": "application/json" };
  const call = async () => {
    const n = ++calls % 1_000_000;
    const sentAt = performance.now();
    try {
      const { statusCode, body } = await pool.request({
        method: "POST",
        path: target.path,
        headers,
        body: target.body(n),
      });
      const text = await body.text();
      if (statusCode !== target.status || text !== target.answer(n)) throw new Error(`${statusCode} ${text}`);
      load.latencies.push(performance.now() - sentAt);
    } catch (error) {
      load.lost++;
      load.firstLoss ??= `call ${n}: ${(error as Error).message.slice(0, 300)}`;
    }
  };
  await Promise.all(Array.from({ length: callers }, async () => {
    // Once at least, however long it took to come here.
    do await call(); while (performance.now() < until && load.latencies.length < answers);
  }));
  load.seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  return load;
}

/** The value below which `part` (0 to 1) of the sorted values lie. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** The middle of some values. */
export function median(values: readonly number[]): number {
  return percentile([...values].sort((a, b) => a - b), 0.5);
}
