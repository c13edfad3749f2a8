/**
 * `/api/dead-letters`: executions that were given up because they ended one worker after another; to be inspected,
 * requeued or dropped.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import type { CompiledWorkflow } from "../../workflow/definition.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { ownKey } from "../../execution/request.ts";
import { cursorParameter, executionIdParameter, limitParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { workflowNotFound } from "./workflows.ts";

/** Adds the resources to the app. */
export function deadLetters(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/dead-letters", { GET: (c) => listDeadLetters(c, deps) });
  resource(app, "/api/dead-letters/:id", {
    GET: (c) => getDeadLetter(c, deps),
    DELETE: (c) => dropDeadLetter(c, deps),
  });
  resource(app, "/api/dead-letters/:id/requeue", { POST: (c) => requeueDeadLetter(c, deps) });
}

async function listDeadLetters(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = limitParameter(c);
  const cursor = cursorParameter(c);
  return c.json(await store.deadLetters.list({ limit, ...(cursor !== undefined && { cursor }) }));
}

async function getDeadLetter(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const deadLetter = await store.deadLetters.get(id);
  if (deadLetter === undefined) throw notFound(id);
  return c.json(deadLetter);
}

async function dropDeadLetter(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  if (!await store.deadLetters.drop(id)) throw notFound(id);
  return c.body(null, 204);
}

/**
 * Starts the newest version with the same input, then drops the dead letter. In this order, and under an idempotency
 * key of the dead letter's own: whatever breaks in between, and however often it is sent, one execution starts.
 */
async function requeueDeadLetter(c: Context<AppEnv>, { catalog, config, store, submit }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const deadLetter = await store.deadLetters.get(id);
  if (deadLetter === undefined) throw notFound(id);
  const { workflowId, trigger, input } = deadLetter;
  const workflow = await catalog.get(workflowId);
  if (workflow === undefined) throw workflowNotFound(workflowId);
  checkTrigger(workflow, trigger);
  const { executionId } = await submit({
    workflow,
    trigger,
    input,
    idempotency: { key: ownKey(`requeue:${id}`), fingerprint: id, ttlSeconds: config.idempotencyTtlSeconds },
    startedBy: c.get("token"),
    signal: () => c.req.raw.signal,
  });
  c.set("executionId", executionId);
  await store.deadLetters.drop(id);
  return c.json({ executionId, requeuedFrom: id, status: "pending" }, 202, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
  });
}

function checkTrigger({ id, version, graph }: CompiledWorkflow, trigger: string): void {
  if (graph.get(trigger)?.isTrigger) return;
  throw new MillraceError(
    "trigger_not_found",
    `Version ${version} of the workflow "${id}" has no trigger "${trigger}", with which the dead letter had begun`,
    { extensions: { workflowId: id, version, trigger } },
  );
}

function notFound(id: string): MillraceError {
  return new MillraceError("dead_letter_not_found", `No dead letter has the execution id "${id}"`);
}
