/**
 * `/api/workflows`: definitions, and runs by hand.
 */
import type { Context, Hono } from "hono";
import { InvalidWorkflowError, MillraceError } from "../../lib/errors.ts";
import { isJsonObject, type JsonValue } from "../../lib/json.ts";
import type { CompiledWorkflow } from "../../workflow/definition.ts";
import { MAX_VERSION } from "../../workflow/schema.ts";
import { type BodyBudget, type BodyShare, withShare } from "../protocol/body_budget.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { etag, evaluateGuards, evaluateIfMatch, matchesIfNoneMatch } from "../protocol/entity_tag.ts";
import { idempotencyOf, REPLAYED_HEADER } from "../protocol/idempotency.ts";
import { integerParameter, limitParameter, workflowIdParameter } from "../frame/parameters.ts";
import { applyPreferences, MAX_WAIT_SECONDS, parsePrefer } from "../protocol/prefer.ts";
import { readJson, readJsonAndBytes } from "../protocol/request_body.ts";
import { resource } from "../frame/resource.ts";

/** Adds the resources to the app. */
export function workflows(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  resource(app, "/api/workflows", { GET: (c) => listWorkflows(c, deps) });
  resource(app, "/api/workflows/:id", {
    GET: (c) => getWorkflow(c, deps),
    PUT: (c) => withShare(bodies, (share) => putWorkflow(c, deps, share)),
    DELETE: (c) => deleteWorkflow(c, deps),
  });
  resource(app, "/api/workflows/:id/run", {
    POST: (c) => withShare(bodies, (share) => runWorkflow(c, deps, share)),
  });
}

function listWorkflows(c: Context<AppEnv>, { catalog }: AppDeps): Response {
  const limit = limitParameter(c);
  const cursor = c.req.query("cursor") ?? "";
  const rest = catalog.list().filter(({ id }) => id > cursor).sort((a, b) => a.id < b.id ? -1 : 1);
  const page = rest.slice(0, limit).map(({ id, version, updatedAt, definition, webhooks }) => ({
    id,
    name: definition.name,
    version,
    active: definition.active,
    updatedAt,
    webhooks: webhooks.map(({ path, methods, responseMode }) => ({ path, methods, responseMode })),
  }));
  return c.json({ workflows: page, ...(rest.length > limit && { nextCursor: page.at(-1)!.id }) });
}

async function getWorkflow(c: Context<AppEnv>, { catalog }: AppDeps): Promise<Response> {
  const id = workflowIdParameter(c);
  const version = integerParameter(c, "version", { min: 0, max: MAX_VERSION, defaultValue: 0 });
  const workflow = await catalog.get(id, version || undefined);
  if (!workflow) throw workflowNotFound(id, version || undefined);
  const headers = { etag: etag(workflow.version), "cache-control": "no-cache" };
  if (matchesIfNoneMatch(c.req.header("if-none-match"), workflow.version)) return c.body(null, 304, headers);
  return c.json(toDocument(workflow), 200, headers);
}

async function putWorkflow(c: Context<AppEnv>, deps: AppDeps, share: BodyShare): Promise<Response> {
  const { catalog } = deps;
  const id = workflowIdParameter(c);
  const body = await readJson(c.req.raw, bodyOptions(c, deps, share));
  if (body === undefined) {
    throw new MillraceError("malformed_json", "Expected a workflow definition: the body is empty");
  }
  const guards = await evaluateGuards(c.req.raw.headers, () => currentVersion(catalog, id));
  const { workflow, created } = await catalog.put(id, toDefinition(body, id), {
    ...guards,
    changedBy: c.get("token"),
  });
  c.set("changed", { version: workflow.version });
  return c.json(toDocument(workflow), created ? 201 : 200, {
    etag: etag(workflow.version),
    ...(created && { location: `/api/workflows/${id}` }),
  });
}

async function deleteWorkflow(c: Context<AppEnv>, { catalog }: AppDeps): Promise<Response> {
  const id = workflowIdParameter(c);
  const ifMatch = await evaluateIfMatch(c.req.header("if-match"), () => currentVersion(catalog, id));
  const existed = await catalog.delete(id, ifMatch === undefined ? {} : { ifMatch });
  if (!existed) throw workflowNotFound(id);
  return c.body(null, 204);
}

async function runWorkflow(
  c: Context<AppEnv>,
  deps: AppDeps,
  share: BodyShare,
): Promise<Response> {
  const { catalog, config, submit } = deps;
  const id = workflowIdParameter(c);
  const { value: body, bytes } = await readJsonAndBytes(c.req.raw, bodyOptions(c, deps, share));
  if (body !== undefined && !isJsonObject(body)) {
    throw new MillraceError("invalid_parameter", "Expected an object with the member `input`");
  }
  const workflow = await catalog.get(id);
  if (!workflow) throw workflowNotFound(id);
  const { manualTrigger } = workflow;
  if (manualTrigger === undefined) {
    throw new MillraceError("no_manual_trigger", `The workflow "${id}" has no manual trigger`);
  }
  const { waitSeconds, preferenceApplied } = applyPreferences(parsePrefer(c.req.header("prefer")), {
    defaultSeconds: 0,
    maxSeconds: MAX_WAIT_SECONDS,
  });
  const idempotency = await idempotencyOf(c.req.raw, {
    scope: ["run", manualTrigger],
    body: bytes,
    ttlSeconds: config.idempotencyTtlSeconds,
  });
  const { executionId, replayed, reply } = await submit({
    workflow,
    trigger: manualTrigger,
    input: body?.["input"] ?? null,
    idempotency,
    startedBy: c.get("token"),
    wait: waitSeconds === 0 ? undefined : { timeoutMs: waitSeconds * 1000 },
    signal: () => c.req.raw.signal,
  });
  c.set("executionId", executionId);
  const result = (await reply)?.result;
  return c.json(result ?? { executionId, status: "pending" }, result ? 200 : 202, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
    ...(preferenceApplied !== undefined && { "preference-applied": preferenceApplied }),
    ...(replayed && { [REPLAYED_HEADER]: "true" }),
  });
}

/** A workflow as it is answered: the definition's members beside what the store adds. */
function toDocument({ id, version, updatedAt, changedBy, definition }: CompiledWorkflow): object {
  return { id, version, updatedAt, ...(changedBy !== undefined && { changedBy }), ...definition };
}

/** The definition in a body, without the members that the store adds, so that the answer of a GET can be put back. */
function toDefinition(body: JsonValue, id: string): unknown {
  if (!isJsonObject(body)) return body;
  const { id: sentId, version: _version, updatedAt: _updatedAt, changedBy: _changedBy, ...definition } = body;
  if (sentId !== undefined && sentId !== id) {
    throw new InvalidWorkflowError([{ pointer: "/id", detail: `Expected "${id}", as the path has it` }]);
  }
  return definition;
}

async function currentVersion(catalog: AppDeps["catalog"], id: string): Promise<number | undefined> {
  return (await catalog.get(id))?.version;
}

/** The error for a workflow, or a version of it, that does not exist. */
export function workflowNotFound(id: string, version?: number): MillraceError {
  const which = version === undefined ? "" : ` in version ${version}`;
  return new MillraceError("workflow_not_found", `No workflow has the id "${id}"${which}`);
}
