/**
 * `/api/executions`: what executions do, how they ended, and how to end them. Their events are in `events.ts`.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../errors.ts";
import { isExecutionId } from "../execution_id.ts";
import { type ExecutionStatus, isEnded, isTerminal, type StoredEvent } from "../log/event.ts";
import { foldState } from "../log/fold.ts";
import type { ExecutionLog } from "../log/port.ts";
import type { AppDeps, AppEnv } from "./deps.ts";
import { choiceParameter, executionIdParameter, integerParameter } from "./parameters.ts";
import { applyPreferences, parsePrefer } from "./prefer.ts";
import { resource } from "./resource.ts";

const STATUSES = [
  "pending",
  "running",
  "paused",
  "completed",
  "failed",
  "cancelled",
] as const satisfies readonly ExecutionStatus[];
const MAX_WAIT_SECONDS = 300;
/** Events that are read from the log at once. */
const PAGE = 1_000;

/** Adds the resources to the app. */
export function executions(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/executions", { GET: (c) => listExecutions(c, deps) });
  resource(app, "/api/executions/:id", { GET: (c) => getExecution(c, deps) });
  resource(app, "/api/executions/:id/result", { GET: (c) => getResult(c, deps) });
  resource(app, "/api/executions/:id/cancel", { POST: (c) => cancelExecution(c, deps) });
}

async function listExecutions(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: 500, defaultValue: 50 });
  const status = choiceParameter(c, "status", STATUSES);
  const workflowId = c.req.query("workflow");
  const cursor = c.req.query("cursor");
  if (cursor !== undefined && !isExecutionId(cursor)) {
    throw new MillraceError("invalid_parameter", `Expected "cursor" from a nextCursor: received "${cursor}"`, {
      extensions: { parameter: "cursor" },
    });
  }
  return c.json(
    await store.projections.list({
      limit,
      ...(status !== undefined && { status }),
      ...(workflowId !== undefined && { workflowId }),
      ...(cursor !== undefined && { cursor }),
    }),
  );
}

async function getExecution(c: Context<AppEnv>, { catalog, store }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const events = await readAll(store.log, id);
  const first = events[0];
  if (first?.type !== "execution.requested") throw executionNotFound(id);
  // The definition only tells how many nodes there are: the state can be had without it.
  const workflow = await catalog.get(first.data.workflowId, first.data.version).catch(() => undefined);
  return c.json(foldState(id, events, workflow ? { nodeIds: [...workflow.graph.keys()] } : {}));
}

async function getResult(c: Context<AppEnv>, { store, drainSignal }: AppDeps): Promise<Response> {
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
    ended = await waitForEnd(log, id, { waitSeconds, signals: [c.req.raw.signal, drainSignal] });
  }
  if (ended) result ??= await log.result(id);
  if (result) return c.json(result, 200, headers);
  if (ended) throw new MillraceError("result_not_found", `The result of the execution "${id}" has expired`);
  return c.json({ executionId: id, status: meta.status }, 202, {
    ...headers,
    location: `/api/executions/${id}/result`,
    "retry-after": "1",
  });
}

/** Waits on the log until the execution ends; false if the time was over, or a signal aborted, before. */
async function waitForEnd(
  log: ExecutionLog,
  id: string,
  options: { waitSeconds: number; signals: readonly (AbortSignal | undefined)[] },
): Promise<boolean> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = setTimeout(stop, options.waitSeconds * 1000);
  for (const signal of options.signals) {
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  }
  try {
    for await (const event of log.tail(id, { signal: controller.signal })) if (isTerminal(event)) return true;
    // The tail ends by itself, without a terminal event, when the log has expired.
    return !controller.signal.aborted;
  } catch (error) {
    if (controller.signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
    for (const signal of options.signals) signal?.removeEventListener("abort", stop);
  }
}

async function cancelExecution(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const { log } = store;
  const id = executionIdParameter(c);
  if (await log.cancel(id)) return c.json({ executionId: id, status: "cancelled" });
  const meta = await log.meta(id);
  if (meta === undefined) throw executionNotFound(id);
  throw new MillraceError("execution_ended", `The execution "${id}" has already ended: it is ${meta.status}`, {
    extensions: { executionId: id, executionStatus: meta.status },
  });
}

/** All events of an execution. */
async function readAll(log: ExecutionLog, id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (;;) {
    const after = events.at(-1)?.id;
    const page = await log.read(id, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const event of page) events.push(event);
    if (page.length < PAGE) return events;
  }
}

/** The error for an execution that is unknown or has expired. */
export function executionNotFound(id: string): MillraceError {
  return new MillraceError("execution_not_found", `No execution has the id "${id}", or it has expired`);
}
