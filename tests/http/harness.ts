/**
 * The app over the memory driver, with a catalog and a worker that the tests control.
 */
import type { Hono } from "hono";
import { createSubmit } from "../../src/execution/submit.ts";
import { createApp } from "../../src/http/app.ts";
import type { AppDeps, AppEnv } from "../../src/http/frame/deps.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import type { LogEvent } from "../../src/execution/event.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { ExecutionResult, ResponseData } from "../../src/execution/result.ts";
import type { Store } from "../../src/storage/store.ts";
import type { CompiledWorkflow } from "../../src/workflow/definition.ts";
import { APP_CONFIG } from "./app_config.ts";
import { fakeCatalog, webhookWorkflow } from "./workflows.ts";

/** What the fake worker makes of an execution; `"hold"` never ends it. */
export type Work = (claim: Claim) => Omit<ExecutionResult, "executionId"> | "hold";

export interface Harness {
  readonly app: Hono<AppEnv>;
  readonly store: Store;
  /** What was logged, in order. */
  readonly lines: { level: string; fields: Record<string, unknown> }[];
  /** Claims that the worker took, in order. */
  readonly claims: Claim[];
}

export interface HarnessOptions {
  readonly config?: Partial<AppDeps["config"]> & { readonly historyTtlSeconds?: number };
  readonly deps?: Partial<AppDeps>;
  readonly workflows?: readonly CompiledWorkflow[];
  readonly work?: Work;
  readonly maxWaiters?: number;
  /** A memory store with parts of it replaced. */
  readonly store?: Store;
}

/** The output of the trigger, as the response of every webhook. */
export const echo: Work = (claim) => ({ status: "completed", output: claim.input ?? null });

/** Runs a test with an app, and stops its worker afterwards. */
export async function withApp(options: HarnessOptions, test: (harness: Harness) => Promise<void>): Promise<void> {
  const { work = echo, workflows = [webhookWorkflow()], maxWaiters = 100 } = options;
  const store = options.store ?? createMemoryStore({ instance: "test", maxWaiters });
  const controller = new AbortController();
  const lines: Harness["lines"] = [];
  const log = (level: string) => (fields: object) => void lines.push({ level, fields: { ...fields } });
  const deps: AppDeps = {
    config: { ...APP_CONFIG, ...options.config },
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: options.config?.historyTtlSeconds ?? 60 }),
    catalog: fakeCatalog(workflows),
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    ready: () => true,
    info: { version: "0.0.0" },
    drainSignal: controller.signal,
    ...options.deps,
  };
  const harness: Harness = { app: createApp(deps), store, lines, claims: [] };
  const worker = runWork(harness, work, controller.signal);
  try {
    await test(harness);
  } finally {
    controller.abort();
    await worker;
    await store[Symbol.asyncDispose]();
  }
}

/** Waits until the worker has taken that many executions. */
export async function taken(claims: readonly unknown[], count = 1): Promise<void> {
  while (claims.length < count) await new Promise((resolve) => setTimeout(resolve));
}

async function runWork({ store, claims }: Harness, work: Work, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const claim of await store.work.take({ signal, count: 16, blockMs: 1_000 })) {
      claims.push(claim);
      const made = work(claim);
      if (made !== "hold") await finish(store, claim, made);
    }
  }
}

/** Completes a node that responds and answers the caller early with it; the claim with which to go on. */
export async function respondEarly(store: Store, claim: Claim, node: string, response: ResponseData): Promise<Claim> {
  const { executionId, sequence } = claim;
  const output = response as unknown as JsonValue;
  await store.work.append(claim, {
    sequence,
    events: [{ type: "node.completed", time: Date.now(), node, data: { output, responds: true } }],
    ...(claim.replyEarly && { reply: { executionId, status: "responded", response } }),
  });
  return { ...claim, sequence: sequence + 1 };
}

/** Ends an execution. */
export async function finish(store: Store, claim: Claim, made: Omit<ExecutionResult, "executionId">): Promise<void> {
  const result: ExecutionResult = { executionId: claim.executionId, ...made };
  const status = made.status as "completed" | "failed";
  const event: LogEvent = status === "completed"
    ? { type: "execution.completed", time: Date.now(), data: { lastNode: claim.trigger } }
    : { type: "execution.failed", time: Date.now(), data: { error: made.error! } };
  await store.work.finish(claim, {
    sequence: claim.sequence,
    events: [event],
    result,
  });
}

/** Starts an execution without HTTP and says its id. */
export async function request(store: Store, executionId: string): Promise<void> {
  await store.log.request({
    executionId,
    workflowId: "hooked",
    version: 1,
    trigger: "hook",
    input: { n: 1 },
    timeoutMs: 300_000,
    resultTtlSeconds: 60,
    historyTtlSeconds: 60,
  });
}

/** A response's JSON, for tests to look into. */
// deno-lint-ignore no-explicit-any
export async function json(response: Response): Promise<any> {
  return await response.json();
}

/** A POST of JSON. */
export function post(body: JsonValue, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}
