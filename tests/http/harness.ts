/**
 * The app over the memory driver, with a catalog and a worker that the tests control.
 */
import type { Hono } from "hono";
import { createSubmit } from "../../src/execution/submit.ts";
import { createApp } from "../../src/http/app.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import type { AppDeps, AppEnv } from "../../src/http/frame/deps.ts";
import type { JsonValue } from "../../src/lib/json.ts";
import type { EventType, LogEvent } from "../../src/execution/event.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { ExecutionResult, ResponseData } from "../../src/execution/result.ts";
import type { Store } from "../../src/storage/store.ts";
import type { CompiledWorkflow, Webhook, WorkflowDefinition } from "../../src/workflow/definition.ts";

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
    config: {
      allowedHosts: [],
      apiTokens: [],
      bodiesLimitBytes: 10_000_000,
      bodyLimitBytes: 100_000,
      bodyLimitValues: 10_000,
      bodyStallSeconds: 60,
      metricsPublic: false,
      secrets: new Map(),
      corsOrigins: [],
      followerLimitBytes: 2 ** 18,
      historyTtlSeconds: 60,
      importLimitBytes: 1_000_000,
      idempotencyTtlSeconds: 60,
      instance: "test",
      roles: new Set(["http"]),
      encryptionKeys: [],
      sessionEncrypt: [],
      sessionLimitBytes: 10_000,
      sessionTtlSeconds: 60,
      redactHeaders: [],
      trustedProxies: [],
      ...options.config,
    },
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

/** A workflow with one webhook, `orders/:id?` for POST, unless said otherwise. */
export function webhookWorkflow(options: Partial<Webhook> & { id?: string } = {}): CompiledWorkflow {
  const { id = "hooked", ...rest } = options;
  const webhook: Webhook = {
    nodeId: "hook",
    path: "orders",
    methods: ["POST"],
    responseMode: "lastNode",
    timeoutSeconds: 5,
    ...rest,
  };
  return compiled(id, { webhooks: [webhook] });
}

/** A compiled workflow with nothing that runs. */
export function compiled(id: string, members: Partial<CompiledWorkflow> = {}): CompiledWorkflow {
  const definition: WorkflowDefinition = {
    name: id,
    active: true,
    settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
    nodes: [],
    connections: [],
  };
  return {
    id,
    version: 1,
    definition,
    updatedAt: 1_700_000_000_000,
    graph: new Map(),
    webhooks: [],
    schedules: [],
    manualTrigger: undefined,
    run: new Map(),
    ...members,
  };
}

/** A catalog in a map: the guards of PUT and DELETE, and paths without parameters. */
function fakeCatalog(workflows: readonly CompiledWorkflow[]): AppDeps["catalog"] {
  const byId = new Map(workflows.map((workflow) => [workflow.id, workflow]));
  function guard(id: string, ifMatch: number | "*" | undefined): void {
    const current = byId.get(id);
    const isMet = ifMatch === undefined || (ifMatch === "*" ? current !== undefined : current?.version === ifMatch);
    if (!isMet) throw new MillraceError("version_mismatch", `The version is ${current?.version}`);
  }
  return {
    get: (id, version) => {
      const workflow = byId.get(id);
      return Promise.resolve(version === undefined || workflow?.version === version ? workflow : undefined);
    },
    matchWebhook(method, path) {
      for (const workflow of byId.values()) {
        for (const webhook of workflow.webhooks) {
          if (webhook.path !== path) continue;
          if (!webhook.methods.includes(method)) return { allow: [...webhook.methods] };
          return { workflow, webhook, params: {} };
        }
      }
      return undefined;
    },
    put: (id, definition, options = {}) => {
      guard(id, options.ifMatch);
      const before = byId.get(id);
      if (options.ifNoneMatch && before) throw new MillraceError("version_mismatch", "It exists");
      const version = (before?.version ?? 0) + 1;
      const workflow = compiled(id, { version, definition: definition as WorkflowDefinition });
      byId.set(id, workflow);
      return Promise.resolve({ workflow, created: before === undefined });
    },
    keepImported: () => Promise.resolve(),
    delete: (id, options = {}) => {
      guard(id, options.ifMatch);
      return Promise.resolve(byId.delete(id));
    },
    list: () => [...byId.values()],
  };
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

/** One message of an event stream. */
export interface ReadMessage {
  readonly id?: string;
  readonly event?: EventType | "gap";
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Reads `count` messages of an event stream, or all until it ends, and cancels it. */
export async function readMessages(response: Response, count = Infinity): Promise<ReadMessage[]> {
  const messages: ReadMessage[] = [];
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (messages.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    const blocks = (text += decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
      const data = fields.get("data");
      if (data === undefined) continue;
      messages.push({ ...Object.fromEntries(fields), data: JSON.parse(data) } as ReadMessage);
    }
  }
  await reader.cancel();
  return messages;
}
