/**
 * Workers over a store under test, with node types that the tests steer.
 */
import { z } from "zod";
import { RetryableError, TerminalError } from "../../src/lib/errors.ts";
import { Worker } from "../../src/engine/worker.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import { isTerminal } from "../../src/execution/event.ts";
import type { Store } from "../../src/storage/store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { CompiledWorkflow, NodeContext } from "../../src/workflow/definition.ts";
import { requestOf } from "../storage/drivers.ts";
import { WAIT_LIMIT_MS } from "../support/eventually.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";

/** What a test node does at its n-th call (from 1) of one execution and node: its output, or a wait. */
export type Act = (call: {
  n: number;
  attempt: number;
  /** The time that expressions see. */
  now: number;
  signal: AbortSignal;
  key: string;
  progress: NodeContext["progress"];
}) => Promise<JsonValue | Wait>;

/** The node waits until then, in epoch milliseconds. */
export class Wait {
  readonly waitUntil: number;

  constructor(waitUntil: number) {
    this.waitUntil = waitUntil;
  }
}

/** A bench: workflows by id, workers, and what was called. */
export interface Bench {
  /** Calls by idempotency key. */
  readonly calls: Map<string, number>;
  /** Defines a workflow whose nodes may be of the types `act` and `effect` (`{name}`). */
  define(id: string, definition: object): void;
  /** One that runs 50 executions at once, unless told otherwise. */
  worker(store: Store, name?: string, concurrency?: number, maxDeliveries?: number): Worker;
  request(store: Store, workflowId: string, options?: Partial<ExecutionRequest>): Promise<string>;
}

/** Makes a bench whose `act` and `effect` nodes do what `acts` says under their name. */
export function makeBench(acts: Record<string, Act>): Bench {
  const calls = new Map<string, number>();
  const type = (name: string, hasSideEffects: boolean): NodeType<{ name: string }> => ({
    type: name,
    hasSideEffects,
    parameters: z.strictObject({ name: z.string() }),
    compile: ({ name }) => async ({ attempt, scope, signal, progress, idempotencyKey: key }) => {
      const n = (calls.get(key) ?? 0) + 1;
      calls.set(key, n);
      const made = await acts[name]!({ n, attempt, now: scope.now!, signal, key, progress });
      return made instanceof Wait ? { waitUntil: made.waitUntil } : { output: made };
    },
  });
  const nodeTypes = new Map([
    ...createNodeTypes({ fetch }),
    ["act", type("act", false)] as const,
    ["effect", type("effect", true)] as const,
  ]);
  const workflows = new Map<string, CompiledWorkflow>();
  return {
    calls,
    define: (id, definition) => {
      const stored = { id, version: 1, definition: definition as never, updatedAt: 0 };
      workflows.set(id, compileWorkflow(stored, { nodeTypes }));
    },
    worker: (store, name = "w", concurrency = 50, maxDeliveries = 5) =>
      new Worker({
        store,
        workflows: { get: (id) => Promise.resolve(workflows.get(id)) },
        name,
        concurrency,
        maxDeliveries,
        outputLimitBytes: 100_000,
      }),
    request: async (store, workflowId, options = {}) => {
      const { timeoutSeconds } = workflows.get(workflowId)!.definition.settings;
      const request = requestOf({ workflowId, trigger: "start", timeoutMs: timeoutSeconds * 1000, ...options });
      return (await store.log.request(request)).executionId;
    },
  };
}

/** A chain of nodes after a manual trigger. */
export function chainOf(nodes: object[], settings: object = {}): object {
  const ids = ["start", ...nodes.map((node) => (node as { id: string }).id)];
  return {
    name: "chain",
    settings,
    nodes: [{ id: "start", type: "manual" }, ...nodes],
    connections: ids.slice(1).map((to, i) => ({ from: ids[i], to })),
  };
}

/** Follows an execution to its terminal event. */
export async function logToEnd(store: Store, executionId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.log.tail(executionId, { signal: AbortSignal.timeout(WAIT_LIMIT_MS) })) {
    events.push(event);
  }
  const ends = events.filter(isTerminal);
  if (ends.length !== 1) throw new Error(`${executionId} has ${ends.length} terminal events: ${typesOf(events)}`);
  return events;
}

/** The types of events, with their nodes. */
export function typesOf(events: readonly StoredEvent[]): string[] {
  return events.map(({ type, node }) => node === undefined ? type : `${type} ${node}`);
}

/** Fails in a way that running again may help, or not. */
export function failing(kind: "retryable" | "terminal"): never {
  throw kind === "retryable" ? new RetryableError("busy", "It is busy") : new TerminalError("wrong", "It is wrong");
}
