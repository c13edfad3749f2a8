/**
 * A fallback on stores that a test moves executions between, and those who wait for them or follow them.
 */
import type { StoredEvent } from "../../src/execution/event.ts";
import { Fallback } from "../../src/execution/fallback.ts";
import { FallbackSession } from "../../src/execution/fallback_session.ts";
import type { ExecutionLog } from "../../src/execution/log.ts";
import type { Reply } from "../../src/execution/replies.ts";
import type { Submission, Submit } from "../../src/execution/submit.ts";
import { overlay } from "../../src/lib/overlay.ts";
import { transform } from "../../src/nodes/transform.ts";
import { createWebhook } from "../../src/nodes/webhook.ts";
import { withFallback } from "../../src/start/fallback.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import { indexAfter } from "../../src/storage/memory/state.ts";
import { compileWorkflow } from "../../src/workflow/compile.ts";
import type { NodeType } from "../../src/workflow/node_type.ts";

const NODE_TYPES = new Map([createWebhook({}), transform].map((type) => [type.type, type as NodeType]));

/** What a caller of a workflow without side effects submits. */
export function submission({ parameters = {}, settings = {} } = {}): Submission {
  const nodes = [
    { id: "hook", type: "webhook", parameters: { path: "p", ...parameters } },
    { id: "sum", type: "transform", parameters: { output: 1 } },
  ];
  const definition = { nodes, connections: [{ from: "hook", to: "sum" }], settings };
  const stored = { id: "w", version: 1, updatedAt: 0, definition: definition as never };
  const workflow = compileWorkflow(stored, { nodeTypes: NODE_TYPES });
  return { workflow, trigger: "hook", input: null, wait: { timeoutMs: 600_000 } };
}

/** What is there when nobody is: the store never answers. */
export const waitsForEver: Submit = () => new Promise(() => {});

/** The end of each execution that moves to the store: it comes after all that happened in memory. */
export const END: StoredEvent = { id: "9999999999999-0", type: "execution.cancelled", time: 0, data: {} };

/** A fallback from memory to a store that the test has in its hands; in neither does anything run. */
export function openOutage(submit: Submit = waitsForEver) {
  const memory = createMemoryStore({ instance: "memory", keepsEnded: true });
  /** The logs in the store, by execution. */
  const logs = new Map<string, readonly StoredEvent[]>();
  const eventsAfter = (id: string, after: string | undefined) => {
    const events = logs.get(id) ?? [];
    return events.slice(indexAfter(events, after));
  };
  const at = { isAway: true };
  const told: string[] = [];
  const fallback = new Fallback({
    submit,
    isAway: () => at.isAway,
    arrivals: {
      write: ({ request: { executionId }, events }) => {
        if (logs.has(executionId)) return Promise.resolve({ what: "existing" });
        logs.set(executionId, [...events, END]);
        return Promise.resolve({ what: "written" });
      },
    },
    follow: (executionId) =>
      Promise.resolve({ result: { executionId, status: "completed", output: "from the store" } }),
    open: () =>
      new FallbackSession({
        log: memory.log,
        replies: memory.replies,
        bytes: () => memory.bytes(),
        makeId: () => memory.log.makeId({ workflowId: "w", limited: false }),
        historyTtlSeconds: 60,
        stopWorker: () => Promise.resolve(),
        [Symbol.asyncDispose]: () => memory[Symbol.asyncDispose](),
      }),
    maxExecutions: 10,
    maxBytes: 2 ** 20,
    onReport: ({ what }) => told.push(what),
  });
  const store = {
    away: () => at.isAway,
    rateLimits: memory.rateLimits,
    log: overlay(memory.log, {
      read: (id, { after, limit } = {}) => Promise.resolve(eventsAfter(id, after).slice(0, limit)),
      async *tail(id, { after }) {
        yield* eventsAfter(id, after);
      },
    }),
  };
  return {
    memory,
    fallback,
    logs,
    told,
    /** The store's, with what is in memory. */
    log: withFallback(store, fallback).log,
    away: () => at.isAway = true,
    back: () => at.isAway = false,
    [Symbol.asyncDispose]: () => fallback.stop(),
  };
}

/** Collects the events of a tail, and says when events may be missing, and when it has ended. */
export function follow(log: ExecutionLog, executionId: string, after?: string) {
  const followed = { ids: [] as string[], losses: 0, isOver: false };
  const { signal } = new AbortController();
  const read = async () => {
    const options = { signal, onLoss: () => followed.losses++, ...(after !== undefined && { after }) };
    for await (const { id } of log.tail(executionId, options)) {
      followed.ids.push(id);
    }
    followed.isOver = true;
  };
  void read();
  return followed;
}

/** What these replies have come to so far. */
export function heard(replies: readonly Promise<Reply>[]): Reply[] {
  const all: Reply[] = [];
  for (const reply of replies) void reply.then((it) => all.push(it));
  return all;
}
