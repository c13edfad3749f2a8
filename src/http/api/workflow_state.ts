/**
 * `/api/workflow-state`: how far executions are, what is active, and how many there are of each kind; and
 * `/api/stats/workflows/<id>`: what became of a workflow's executions, day by day.
 */
import type { Context, Hono } from "hono";
import { currentDocument, type ProgressDocument } from "../../feed/progress_document.ts";
import { type DayCounts, dayOf, DURATION_BOUNDS_MS, KEPT_DAYS } from "../../feed/statistics.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionIdParameter, integerParameter, workflowIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { executionNotFound } from "./executions.ts";

/** How many active executions are named, and how many are looked at for their progress. */
const LISTED = 10_000;
const DETAILED = 500;
/** How many documents are read at once. */
const AT_ONCE = 50;
const DAY_MS = 86_400_000;

/** Adds the resources to the app. */
export function workflowState(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/workflow-state/active/list", { GET: (c) => listActive(c, deps) });
  resource(app, "/api/workflow-state/active/detailed", { GET: (c) => detailActive(c, deps) });
  resource(app, "/api/workflow-state/stats/overview", { GET: (c) => overview(c, deps) });
  resource(app, "/api/workflow-state/cleanup", { POST: (c) => cleanUp(c, deps) });
  resource(app, "/api/workflow-state/:id", { GET: (c) => getState(c, deps) });
  resource(app, "/api/stats/workflows/:id", { GET: (c) => workflowDays(c, deps) });
}

async function getState(c: Context<AppEnv>, { catalog, store }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const state = await currentDocument({ ...store, workflows: catalog }, id);
  if (state === undefined) throw executionNotFound(id);
  return c.json({ success: true, state });
}

async function listActive(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: LISTED, defaultValue: LISTED });
  const { ids, total } = await store.statistics.active({ limit });
  return c.json({ success: true, activeExecutions: ids, count: total });
}

async function detailActive(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: DETAILED, defaultValue: DETAILED });
  const { documents, total } = await activeDocuments(deps, limit);
  return c.json({ success: true, workflows: documents, count: total });
}

/** The average is over the newest {@linkcode DETAILED}, where there are more. */
async function overview(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const [{ documents, total }, counted] = await Promise.all([
    activeDocuments(deps, DETAILED),
    deps.store.statistics.countByStatus(),
  ]);
  const sum = documents.reduce((all, { progress }) => all + progress, 0);
  const pending = documents.filter(({ status }) => status === "pending").length;
  // The documents are newer than the indexes, which may be behind.
  const byStatus = documents.length < total ? counted : { ...counted, pending, running: total - pending };
  return c.json({
    success: true,
    statistics: {
      activeExecutions: total,
      executionsByStatus: byStatus,
      averageProgress: documents.length === 0 ? 0 : Math.round((100 * sum) / documents.length) / 100,
    },
  });
}

/**
 * Ends executions that are past their deadline, unless a program or worker holds a live lease of them: of the oldest, since
 * what is past its deadline was requested early.
 */
async function cleanUp(c: Context<AppEnv>, { logger, store }: AppDeps): Promise<Response> {
  const { ids } = await store.statistics.active({ limit: LISTED, oldest: true });
  let errors = 0;
  const ended: string[] = [];
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE);
    const outcomes = await Promise.allSettled(some.map((id) => store.external.endLapsed(id)));
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === "rejected") {
        errors++;
        logger.warn({ error: outcome.reason }, "an execution could not be cleaned up");
      } else if (outcome.value === "ended") ended.push(some[at]!);
    }
  }
  const cleaned = ended.length;
  c.set("changed", cleaned === 0 && errors === 0 ? "nothing" : { executions: ended });
  const message = `Ended ${cleaned} ${cleaned === 1 ? "execution" : "executions"} that were silent past their deadline`;
  return c.json({ success: true, message, cleaned, errors });
}

/** The documents of active executions, newest first, and how many there are. */
async function activeDocuments(
  { catalog, store }: AppDeps,
  limit: number,
): Promise<{ documents: ProgressDocument[]; total: number }> {
  const { ids, total } = await store.statistics.active({ limit });
  const documents: ProgressDocument[] = [];
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE).map((id) => currentDocument({ ...store, workflows: catalog }, id));
    for (const document of await Promise.all(some)) {
      if (document?.status === "pending" || document?.status === "running") documents.push(document);
    }
  }
  const ended = ids.length - documents.length;
  return { documents, total: total - ended };
}

async function workflowDays(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const id = workflowIdParameter(c);
  const count = integerParameter(c, "days", { min: 1, max: KEPT_DAYS, defaultValue: 7 });
  const now = store.clock.now();
  const days = Array.from({ length: count }, (_, i) => dayOf(now - (count - 1 - i) * DAY_MS));
  const counted = await store.statistics.days(id, days);
  return c.json({ success: true, workflowId: id, days: counted.map(toDay) });
}

function toDay({ day, completed, failed, cancelled, durationMs, buckets }: DayCounts): object {
  const count = completed + failed + cancelled;
  return {
    ...{ day, completed, failed, cancelled },
    duration: {
      meanMs: count === 0 ? null : Math.round((100 * durationMs) / count) / 100,
      ...{ p50Ms: quantile(buckets, 0.5), p95Ms: quantile(buckets, 0.95), p99Ms: quantile(buckets, 0.99) },
      buckets: buckets.map((count, i) => ({ leMs: DURATION_BOUNDS_MS[i] ?? null, count })),
    },
  };
}

/** The upper bound of the bucket with this quantile; `null` without values, or past the last bound. */
function quantile(buckets: readonly number[], part: number): number | null {
  const all = buckets.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [i, count] of buckets.entries()) {
    below += count;
    if (all > 0 && below >= part * all) return DURATION_BOUNDS_MS[i] ?? null;
  }
  return null;
}
