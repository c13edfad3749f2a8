/**
 * The program of a thread that evaluates expressions, one after another.
 *
 * It ends an evaluation when the thread's processor time is up. A single step that takes too long is ended from outside,
 * together with the thread.
 */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import { TerminalError } from "../../lib/errors.ts";
import { compileExpression, type Expression } from "../expression.ts";
import { timeout, type WorkLimit } from "../expression_meter.ts";
import { ownCpuClock } from "./cpu_clock.ts";
import { type EvaluatorMessage, type JobMessage, Shared } from "./messages.ts";

/** Number of expressions that stay parsed. */
const MAX_PARSED = 1000;

/** Units of work between two reads of the clock. */
const UNITS_A_LOOK = 1024;

/** Factor from processor time to wall time where only the latter is known: the machine may be busy. */
const WALL_FACTOR = 4;

const port = parentPort!;
const shared = new Shared(workerData as SharedArrayBuffer);
const own = ownCpuClock();
const parsed = new Map<string, Expression>();
let current = 0;

function workLimit(timeoutMs: number): WorkLimit {
  const wallStart = performance.now();
  const { cpuStart } = shared;
  return {
    first: UNITS_A_LOOK,
    givesWay: false,
    check(spent) {
      if (shared.dropped >= current) throw timeout();
      const wall = performance.now() - wallStart;
      // Processor time never exceeds wall time.
      if (wall > timeoutMs) {
        if (own === undefined ? wall > timeoutMs * WALL_FACTOR : own.clock() - cpuStart > timeoutMs) throw timeout();
      }
      return spent + UNITS_A_LOOK;
    },
  };
}

function parse({ source, limits }: JobMessage): Expression {
  const key = `${limits.timeoutMs} ${limits.maxDepth} ${limits.maxSize} ${source}`;
  let expression = parsed.get(key);
  if (expression === undefined) {
    expression = compileExpression(source, { ...limits, workLimit: () => workLimit(limits.timeoutMs) });
    parsed.set(key, expression);
    for (const oldest of parsed.keys()) {
      if (parsed.size <= MAX_PARSED) break;
      parsed.delete(oldest);
    }
  }
  return expression;
}

async function evaluate(job: JobMessage): Promise<EvaluatorMessage> {
  const { number, scope } = job;
  current = number;
  if (own !== undefined) shared.cpuStart = own.clock();
  try {
    return { number, value: await parse(job).evaluate(scope) };
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    const { code, message, detail } = error;
    return { number, error: { code, message, detail } };
  }
}

function say(message: EvaluatorMessage): void {
  port.postMessage(message);
}

port.on("message", (job: JobMessage) => {
  evaluate(job).then(say, (error) => {
    // Not a failure of the expression: the thread dies, and another one is started.
    process.nextTick(() => {
      throw error;
    });
  });
});
say({ ready: true, cpuPath: own?.path });
