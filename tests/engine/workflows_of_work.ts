/**
 * The workflows that the worker's tests run.
 */
import { type Bench, chainOf } from "./bench_of_work.ts";

/** A node without side effects that does what the bench has under its id. */
export const act = (id: string, more: object = {}) => ({ id, type: "act", parameters: { name: id }, ...more });
const effect = (id: string, more: object = {}) => ({ id, type: "effect", parameters: { name: id }, ...more });
const retry = { maxAttempts: 3, backoffMs: 20, maxBackoffMs: 40 };

/** Defines them on a bench, by name. */
export function defineAll(bench: Bench): void {
  const settings = { timeoutSeconds: 30 };
  bench.define("flaky", chainOf([act("flaky", { retry })], settings));
  bench.define("always", chainOf([act("always", { retry })], settings));
  bench.define("never", chainOf([act("never", { retry })], settings));
  bench.define("dated", chainOf([act("dated", { retry: { ...retry, backoffMs: 500, maxBackoffMs: 500 } })], settings));
  bench.define("patient", chainOf([act("flaky", { retry: { ...retry, backoffMs: 1000, maxBackoffMs: 1500 } })]));
  bench.define("late", chainOf([{ id: "wait", type: "delay", parameters: { seconds: 3 } }, act("two")], settings));
  bench.define("short", chainOf([{ id: "wait", type: "delay", parameters: { seconds: 60 } }], { timeoutSeconds: 1 }));
  const reply = { id: "reply", type: "httpResponse", parameters: { status: 201, body: "early" } };
  bench.define("early", chainOf([reply, act("never")], settings));
  const hurry = { timeoutSeconds: 0.2, retry: { ...retry, maxAttempts: 2 } };
  bench.define("hurried", chainOf([{ id: "wait", type: "delay", parameters: { seconds: 60 }, ...hurry }]));
  for (const [name, make] of [["act", act], ["effect", effect]] as const) {
    const nodes = Array.from({ length: 8 }, (_, n) => ({ ...make(`n${n}`), parameters: { name: "heavy" } }));
    bench.define(`heavy ${name}`, chainOf(nodes, settings));
    bench.define(`less heavy ${name}`, chainOf(nodes.slice(0, 5), settings));
  }
  bench.define("gated", chainOf([effect("gate"), effect("two")], settings));
  const output = (id: string, output: unknown) => ({ id, type: "transform", parameters: { output } });
  const shared = [{ n: 1 }];
  bench.define(
    "mirrors",
    chainOf([
      output("constant", { shared }),
      output("all", "{{ $nodes }}"),
      output("again", { all: "{{ $nodes }}", one: "{{ [$nodes] }}" }),
      { ...output("changed", "{{ $nodes ~> |$nodes.constant.shared|{'n': 2}| }}"), onError: "continue" },
      output("seen", "{{ $nodes.constant.shared[0].n }}"),
    ]),
  );
  bench.define("limited", chainOf([act("gate")], { ...settings, concurrency: 1 }));
}
