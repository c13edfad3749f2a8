/**
 * Executions that other programs run: `POST /api/executions` creates one, and `POST /api/work/take` hands out those of
 * webhooks with `executor: "external"`.
 */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { CREATED_NODE, EXTERNAL_NODE } from "../../execution/external_event.ts";
import { WORKFLOW_ID } from "../../workflow/schema.ts";
import { unknownWorkflow } from "../../workflow/unknown_workflow.ts";
import { readChecked } from "../frame/checked_body.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { resource } from "../frame/resource.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { idempotencyOf, REPLAYED_HEADER } from "../protocol/idempotency.ts";
import { Arrivals } from "./arrivals.ts";

const json = z.custom<NonNullable<unknown> | null>((value) => value !== undefined);
const workflowId = z.string().regex(WORKFLOW_ID, "Expected 1 to 128 letters, digits, _ . and -");

const CREATING = z.strictObject({
  workflowId,
  input: json.default(null),
  timeoutSeconds: z.number().int().min(1).max(604_800).optional(),
  executor: z.literal("external").default("external"),
});

const TAKING = z.strictObject({
  workflows: z.array(workflowId).min(1).max(100).optional(),
  workflow: workflowId.optional(),
  count: z.number().int().min(1).max(100).default(1),
  leaseSeconds: z.number().int().min(1).max(3600).default(30),
  waitSeconds: z.number().int().min(0).max(60).default(20),
});

/** Adds `/api/work/take`; `/api/executions` is added by `executions.ts`. */
export function external(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const arrivals = new Arrivals(deps);
  const handedOut = workflowsHandedOut(deps.catalog);
  resource(app, "/api/work/take", { POST: (c) => takeWork(c, deps, { arrivals, bodies, handedOut }) });
}

/** `POST /api/executions`. The workflow need not be stored: its settings count if it is. */
export async function createExternal(c: Context<AppEnv>, deps: AppDeps, bodies: BodyBudget): Promise<Response> {
  const { catalog, config, submit } = deps;
  const value = await readChecked(c, CREATING, { deps, bodies, action: "create an execution" });
  const workflow = await catalog.get(value.workflowId) ?? unknownWorkflow(value.workflowId);
  const idempotency = await idempotencyOf(c.req.raw, {
    scope: [EXTERNAL_NODE],
    body: new TextEncoder().encode(JSON.stringify(value)),
    ttlSeconds: config.idempotencyTtlSeconds,
  });
  const { executionId, replayed } = await submit({
    workflow,
    trigger: CREATED_NODE,
    input: value.input as never,
    external: { timeoutSeconds: value.timeoutSeconds },
    idempotency,
    startedBy: c.get("token"),
    signal: () => c.req.raw.signal,
  });
  c.set("executionId", executionId);
  return c.json({ success: true, executionId, status: "pending" }, 201, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
    ...(replayed && { [REPLAYED_HEADER]: "true" }),
  });
}

async function takeWork(
  c: Context<AppEnv>,
  deps: AppDeps,
  { arrivals, bodies, handedOut }: { arrivals: Arrivals; bodies: BodyBudget; handedOut: () => ReadonlySet<string> },
): Promise<Response> {
  const value = await readChecked(c, TAKING, { deps, bodies, action: "take work" });
  const { count, leaseSeconds, waitSeconds, workflow } = value;
  const named = value.workflows ?? (workflow === undefined ? undefined : [workflow]);
  const given = named && new Set(named);
  const asked = given === undefined ? handedOut : () => given;
  const executions = await arrivals.take(
    () => deps.store.external.take({ workflowIds: [...asked()], count, leaseMs: leaseSeconds * 1000 }),
    { waitMs: waitSeconds * 1000, signal: c.req.raw.signal, wants: (workflowId) => asked().has(workflowId) },
  );
  c.set("changed", executions.length === 0 ? "nothing" : { executions: executions.map((it) => it.executionId) });
  return c.json({ success: true, executions });
}

/** The workflows with a webhook whose executions are handed out, as the catalog knows them when it is called. */
function workflowsHandedOut(catalog: AppDeps["catalog"]): () => ReadonlySet<string> {
  let list: ReturnType<typeof catalog.list> = [];
  let ids: ReadonlySet<string> = new Set();
  return function handedOut() {
    // Another list only where a workflow has changed: this is asked with each request of any workflow.
    if (catalog.list() !== list) {
      list = catalog.list();
      const those = list.filter(({ webhooks }) => webhooks.some(({ executor }) => executor === "external"));
      ids = new Set(those.map(({ id }) => id));
    }
    return ids;
  };
}
