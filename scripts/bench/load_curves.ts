/**
 * Growth of what an execution is made of, and of what it runs on: nodes, payload, stored executions, instances,
 * partitions.
 */
import type { Curve, Ground, Point } from "./curve.ts";
import { drive, type Load, median, percentile, type Target } from "./load.ts";
import { type Millrace, startMillrace } from "./millrace.ts";
import { answerTo, bodyOf, WORKFLOW } from "./work.ts";

const CALLERS = 16;
const WARM_UP_SECONDS = 1;
/** Rounds of each point: one slow round must not decide. */
const ROUNDS = 3;

interface Node {
  readonly id: string;
  readonly type: string;
  readonly parameters: object;
}

/** A webhook, `n` transforms one after the other or side by side, and a response. */
export function grown(shape: "chain" | "fan", n: number) {
  const ids = Array.from({ length: n }, (_, i) => `n${i}`);
  const hook: Node = { id: "hook", type: "webhook", parameters: { path: `${shape}${n}` } };
  const reply: Node = { id: "reply", type: "httpResponse", parameters: { status: 201, body: "{{ $trigger.body.n }}" } };
  const pure = ids.map((id): Node => ({
    id,
    type: "transform",
    parameters: { output: { n: "{{ $trigger.body.n + 1 }}" } },
  }));
  const links = shape === "chain"
    ? ["hook", ...ids].map((from, i) => ({ from, to: [...ids, "reply"][i] }))
    : ids.flatMap((id) => [{ from: "hook", to: id }, { from: id, to: "reply" }]);
  return { settings: { saveExecutionToDatabase: false }, nodes: [hook, ...pure, reply], connections: links };
}

/** Drives a target in rounds; the figures are those of the table. */
async function measure(
  millrace: Millrace,
  target: Target,
  ground: Ground,
  callers = CALLERS,
): Promise<Omit<Point, "x">> {
  await drive(target, { callers, seconds: WARM_UP_SECONDS });
  const rounds: (Load & { cpu: number; redis: number })[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [cpu, redis] = [millrace.cpu(), (await ground.stats.read()).cpuMicroseconds];
    const load = await drive(target, { callers, seconds: ground.seconds / ROUNDS });
    const each = Math.max(1, load.latencies.length);
    load.latencies.sort((a, b) => a - b);
    const redisCpu = (await ground.stats.read()).cpuMicroseconds - redis;
    rounds.push({ ...load, cpu: (millrace.cpu() - cpu) / each, redis: redisCpu / each });
  }
  const middle = (value: (round: (typeof rounds)[number]) => number) => median(rounds.map(value));
  return {
    lost: rounds.reduce((sum, { lost }) => sum + lost, 0),
    figures: {
      "requests/s": middle(({ latencies, seconds }) => latencies.length / seconds),
      "p50 ms": middle(({ latencies }) => percentile(latencies, 0.5)),
      "p99 ms": middle(({ latencies }) => percentile(latencies, 0.99)),
      "CPU µs": middle(({ cpu }) => cpu),
      "Redis CPU µs": middle(({ redis }) => redis),
    },
  };
}

/** Calls of the workflow that all contenders run. */
export function benchTarget(origin: string): Target {
  return { origin, path: "/webhook/bench", status: 201, body: bodyOf, answer: answerTo };
}

/** Calls of {@linkcode grown} workflows. */
export function grownTarget(origin: string, shape: "chain" | "fan", n: number): Target {
  const body = (i: number) => JSON.stringify({ n: i });
  return { origin, path: `/webhook/${shape}${n}`, status: 201, body, answer: String };
}

/** Nodes of a workflow. */
export const nodes: Curve = {
  name: "nodes",
  title: "Processor time an execution",
  x: "pure nodes",
  charted: "CPU µs",
  async *measure(ground) {
    await using millrace = await startMillrace(ground);
    for (const shape of ["chain", "fan"] as const) {
      for (const n of [1, 2, 5, 10, 20, 50, 100, 198]) {
        await millrace.put(shape, grown(shape, n));
        yield { line: shape, x: n, ...await measure(millrace, grownTarget(millrace.origin, shape, n), ground) };
      }
    }
  },
};

/** Bytes of a body that comes and goes. */
export const payload: Curve = {
  name: "payload",
  title: "Processor time an execution",
  x: "bytes of the body, there and back",
  charted: "CPU µs",
  async *measure(ground) {
    await using millrace = await startMillrace(ground);
    await millrace.put("payload", {
      settings: { saveExecutionToDatabase: false, resultTtlSeconds: 1 },
      nodes: [
        { id: "hook", type: "webhook", parameters: { path: "payload" } },
        { id: "reply", type: "httpResponse", parameters: { status: 201, body: "{{ body }}" } },
      ],
      connections: [{ from: "hook", to: "reply" }],
    });
    for (const bytes of [1_000, 4_000, 16_000, 32_000, 64_000, 256_000, 1_000_000, 4_000_000]) {
      const filler = "x".repeat(bytes - 30);
      const body = (n: number) => JSON.stringify({ n, filler });
      const target = { origin: millrace.origin, path: "/webhook/payload", status: 201, body, answer: body };
      yield { x: bytes, ...await measure(millrace, target, ground, bytes > 100_000 ? 2 : CALLERS) };
    }
  },
};

/** Executions whose history is kept. */
export const stored: Curve = {
  name: "stored",
  title: "Requests a second, 64 callers",
  x: "stored executions",
  charted: "requests/s",
  async *measure(ground) {
    await using millrace = await startMillrace(ground);
    await millrace.put("bench", { ...WORKFLOW, settings: { saveExecutionToDatabase: true } });
    const target = benchTarget(millrace.origin);
    let kept = 0;
    for (const wanted of [1, 20_000, 100_000, 200_000]) {
      while (kept < wanted - 1) {
        kept += (await drive(target, { callers: 64, seconds: 5 })).latencies.length;
        ground.note(`${kept} of ${wanted} stored`);
      }
      yield { x: Math.max(1, kept), ...await measure(millrace, target, ground, 64) };
    }
  },
};

/** HTTP instances, and as many workers. */
export const instances: Curve = {
  name: "instances",
  title: "Requests a second, 64 callers",
  x: "HTTP instances and workers, each",
  charted: "requests/s",
  async *measure(ground) {
    for (const n of [1, 2, 3, 4]) {
      await using millrace = await startMillrace({ ...ground, instances: n });
      await millrace.put("bench", WORKFLOW);
      const targets = millrace.origins.map(benchTarget);
      await Promise.all(targets.map((target) => drive(target, { callers: CALLERS, seconds: WARM_UP_SECONDS })));
      const options = { callers: Math.ceil(64 / n), seconds: ground.seconds };
      const loads = await Promise.all(targets.map((target) => drive(target, options)));
      const latencies = loads.flatMap((load) => load.latencies).sort((a, b) => a - b);
      yield {
        x: n,
        lost: loads.reduce((sum, { lost }) => sum + lost, 0),
        figures: {
          "requests/s": loads.reduce((sum, { latencies, seconds }) => sum + latencies.length / seconds, 0),
          "p50 ms": percentile(latencies, 0.5),
          "p99 ms": percentile(latencies, 0.99),
        },
      };
    }
  },
};

/** Partitions of the keyspace. */
export const partitions: Curve = {
  name: "partitions",
  title: "Requests a second, 64 callers",
  x: "partitions",
  charted: "requests/s",
  async *measure(ground) {
    for (const n of [1, 2, 4, 8, 16]) {
      await using millrace = await startMillrace({ ...ground, partitions: n });
      await millrace.put("bench", WORKFLOW);
      yield { x: n, ...await measure(millrace, benchTarget(millrace.origin), ground, 64) };
    }
  },
};
