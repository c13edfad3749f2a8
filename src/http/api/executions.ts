/**
 * `/api/executions`: what executions do, how they ended, and how to end, pause and resume them. Their events are in
 * `events.ts`.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { definitionId } from "../../execution/definition_id.ts";
import { EXECUTION_STATUSES, type ExecutionStatus, isEnded } from "../../execution/event.ts";
import { showState } from "../../execution/state.ts";
import { foldUntil, type Moment, parseMoment } from "../../replay/moment.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import { executionLost } from "../../execution/refusals.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import {
  choiceParameter,
  cursorParameter,
  executionIdParameter,
  limitParameter,
  textParameter,
  timeParameter,
  workflowFilter,
} from "../frame/parameters.ts";
import { createExternal } from "./external.ts";
import { applyPreferences, MAX_WAIT_SECONDS, parsePrefer } from "../protocol/prefer.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { resource } from "../frame/resource.ts";
import { resultNotFound } from "../../execution/submit.ts";
import { searchExecutions } from "../../feed/search_executions.ts";
import { waitOnLog } from "../../execution/wait_on_log.ts";

/** The longest text that is searched for, in characters. */
const MAX_SEARCH = 200;

/** Adds the resources to the app. */
export function executions(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  resource(app, "/api/executions", {
    GET: (c) => listExecutions(c, deps),
    POST: (c) => createExternal(c, deps, bodies),
  });
  resource(app, "/api/executions/:id", { GET: (c) => getExecution(c, deps) });
  resource(app, "/api/executions/:id/result", { GET: (c) => getResult(c, deps) });
  resource(app, "/api/executions/:id/cancel", { POST: (c) => cancelExecution(c, deps) });
  resource(app, "/api/executions/:id/pause", { POST: (c) => pauseExecution(c, deps, "pause") });
  resource(app, "/api/executions/:id/resume", { POST: (c) => pauseExecution(c, deps, "resume") });
}

async function listExecutions(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = limitParameter(c);
  const status = choiceParameter(c, "status", EXECUTION_STATUSES);
  const workflowId = workflowFilter(c);
  const cursor = cursorParameter(c);
  const q = textParameter(c, "q", { maxLength: MAX_SEARCH });
  const [from, to] = [timeParameter(c, "from"), timeParameter(c, "to")];
  return c.json(
    await searchExecutions(store, {
      limit,
      ...(q !== undefined && { q }),
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      ...(status !== undefined && { status }),
      ...(workflowId !== undefined && { workflowId }),
      ...(cursor !== undefined && { cursor }),
    }),
  );
}

async function getExecution(c: Context<AppEnv>, { catalog, store }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const moment = momentParameter(c);
  const { state, at } = await foldUntil(store.log, id, moment);
  if (state.version === 0) {
    if (moment !== undefined && await store.log.meta(id) !== undefined) throw beforeItAll(id);
    throw executionNotFound(id);
  }
  const [meta, forks] = await Promise.all([store.log.meta(id), store.forks.list(id)]);
  // The definition only tells how many nodes there are: the state can be had without it.
  const workflow = await catalog.get(definitionId(state.workflowId, meta), state.version).catch(() => undefined);
  const shown = showState(id, state, workflow ? { nodeIds: [...workflow.graph.keys()] } : {});
  return c.json({ ...shown, ...(forks.length > 0 && { forks }), ...(moment !== undefined && { at }) });
}

/** `?at=`: the moment of which the state is asked for; now by default. */
function momentParameter(c: Context<AppEnv>): Moment | undefined {
  const text = c.req.query("at");
  if (text === undefined) return undefined;
  const moment = parseMoment(text);
  if (moment !== undefined) return moment;
  throw new MillraceError(
    "invalid_parameter",
    `Expected "at" to be an entry id, the number of an entry or an ISO 8601 time: received "${text}"`,
    { extensions: { parameter: "at" } },
  );
}

function beforeItAll(id: string): MillraceError {
  return new MillraceError("invalid_parameter", `The execution "${id}" had not been requested at that moment`, {
    extensions: { parameter: "at" },
  });
}

async function getResult(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const { log } = store;
  const id = executionIdParameter(c);
  let result = await log.result(id);
  const meta = result ?? await log.meta(id);
  if (meta === undefined) throw executionNotFound(id);
  const { waitSeconds, preferenceApplied } = applyPreferences(parsePrefer(c.req.header("prefer")), {
    defaultSeconds: 0,
    maxSeconds: MAX_WAIT_SECONDS,
  });
  const headers: Record<string, string> = { "execution-id": id };
  if (preferenceApplied !== undefined) headers["preference-applied"] = preferenceApplied;
  let ended = result !== undefined || isEnded(meta.status as ExecutionStatus);
  if (!ended && waitSeconds > 0 && c.req.method !== "HEAD") {
    const last = await waitOnLog(store, id, { timeoutMs: waitSeconds * 1000, signal: c.req.raw.signal });
    if (last === "lost") throw executionLost(id);
    ended = last === "expired" || typeof last !== "string";
  }
  if (ended) result ??= await log.result(id);
  if (result) return c.json(result, 200, headers);
  if (ended) throw resultNotFound(id);
  return c.json({ executionId: id, status: meta.status }, 202, {
    ...headers,
    location: `/api/executions/${id}/result`,
    "retry-after": "1",
  });
}

async function cancelExecution(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const { log } = store;
  const id = executionIdParameter(c);
  if (await log.cancel(id)) return c.json({ executionId: id, status: "cancelled" });
  throw await endedOrUnknown(log, id);
}

/** Idempotent: pausing a paused execution, and resuming a running one, changes nothing and answers the same. */
async function pauseExecution(
  c: Context<AppEnv>,
  { store: { log } }: AppDeps,
  action: "pause" | "resume",
): Promise<Response> {
  const id = executionIdParameter(c);
  const outcome = action === "pause" ? await log.pause(id) : await log.resume(id);
  if (outcome === "ended" || outcome === "unknown") throw await endedOrUnknown(log, id);
  if (action === "pause") return c.json({ executionId: id, status: "paused" });
  // One that was not paused may not have begun, or may have ended meanwhile.
  const status = outcome === "done" ? "running" : (await log.meta(id))?.status;
  if (status === undefined) throw executionNotFound(id);
  return c.json({ executionId: id, status });
}

async function endedOrUnknown(log: ExecutionLog, id: string): Promise<MillraceError> {
  const meta = await log.meta(id);
  if (meta === undefined) return executionNotFound(id);
  return new MillraceError("execution_ended", `The execution "${id}" has already ended: it is ${meta.status}`, {
    extensions: { executionId: id, executionStatus: meta.status },
  });
}

/** The error for an execution that is unknown or has expired. */
export function executionNotFound(id: string): MillraceError {
  return new MillraceError("execution_not_found", `No execution has the id "${id}", or it has expired`);
}
