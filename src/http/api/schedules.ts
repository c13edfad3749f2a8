/**
 * `/api/schedules`: what runs by the clock, when it ran and when it will, and what did not go by the clock.
 */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { MillraceError } from "../../lib/errors.ts";
import { nextDue, nextTime, pausedNotes, timesBetween } from "../../schedules/occurrences.ts";
import type { ScheduleName, StoredSchedule } from "../../schedules/schedule_store.ts";
import { runKey, startScheduled } from "../../schedules/start_scheduled.ts";
import type { CompiledWorkflow, Schedule } from "../../workflow/definition.ts";
import { invalidBody, readChecked } from "../frame/checked_body.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { integerParameter, workflowFilter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { idempotencyOf, REPLAYED_HEADER } from "../protocol/idempotency.ts";

/** How many coming times, and notes, of each schedule are shown. */
const NEXT = 5;
const NOTES = 20;
/** The most runs of one backfill. */
const BACKFILLED = 1000;

/** Epoch milliseconds, or ISO 8601 with an offset. */
const time = z.union([
  z.number().int().min(0).max(8.64e15),
  z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
], "Expected epoch milliseconds, or a time as ISO 8601 with an offset");

const BACKFILL = z.strictObject({
  from: time,
  to: time,
  onOverlap: z.enum(["queue", "reject", "cancelPrevious", "skip"]).optional(),
  again: z.boolean().default(false),
}).refine(({ from, to }) => from < to, { path: ["to"], message: "Must be later than from" });

/** Adds the resources to the app. */
export function schedules(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const at = "/api/schedules/:workflow/:node";
  resource(app, "/api/schedules", { GET: (c) => listSchedules(c, deps) });
  resource(app, at, { GET: async (c) => c.json(await show(deps, await find(c, deps))) });
  resource(app, `${at}/pause`, { POST: (c) => pauseSchedule(c, deps) });
  resource(app, `${at}/resume`, { POST: (c) => resumeSchedule(c, deps) });
  resource(app, `${at}/run`, { POST: (c) => runSchedule(c, deps) });
  resource(app, `${at}/backfill`, { POST: (c) => backfill(c, deps, bodies) });
}

async function listSchedules(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: 500, defaultValue: 50 });
  const cursor = c.req.query("cursor") ?? "";
  const all = await deps.store.schedules.list(workflowFilter(c));
  const rest = all.filter((schedule) => placeOf(schedule) > cursor);
  const page = await Promise.all(rest.slice(0, limit).map((schedule) => show(deps, schedule)));
  const last = rest[limit - 1];
  return c.json({
    schedules: page,
    ...(rest.length > limit && last !== undefined && { nextCursor: placeOf(last) }),
  });
}

async function pauseSchedule(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const schedule = await find(c, deps);
  await deps.store.schedules.pause(nameOf(schedule));
  return c.json(await show(deps, await find(c, deps)));
}

async function resumeSchedule(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const schedule = await find(c, deps);
  const now = deps.store.clock.now();
  await deps.store.schedules.resume(nameOf(schedule), {
    ...nextDue(schedule, schedule.trigger, now),
    notes: pausedNotes(schedule, schedule.trigger, { first: schedule.next, now }),
  });
  return c.json(await show(deps, await find(c, deps)));
}

/** Starts an additional run now. */
async function runSchedule(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const schedule = await find(c, deps);
  const ttlSeconds = deps.config.idempotencyTtlSeconds;
  const scope = ["schedule", schedule.node];
  const idempotency = await idempotencyOf(c.req.raw, { scope, body: new Uint8Array(), ttlSeconds });
  const { executionId, replayed } = await startScheduled(deps.submit, {
    ...await workflowOf(deps, schedule),
    time: deps.store.clock.now(),
    key: idempotency?.key ?? runKey(schedule.node, `run:${crypto.randomUUID()}`),
    fingerprint: idempotency?.fingerprint,
    ttlSeconds,
    startedBy: c.get("token"),
  });
  c.set("executionId", executionId);
  return c.json({ executionId, status: "pending" }, 202, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
    ...(replayed && { [REPLAYED_HEADER]: "true" }),
  });
}

/**
 * Starts the runs of a time span. A time that has been run already is not run again, by its idempotency key; times whose
 * keys may have been forgotten take `again`.
 */
async function backfill(c: Context<AppEnv>, deps: AppDeps, bodies: BodyBudget): Promise<Response> {
  const schedule = await find(c, deps);
  const { from, to, onOverlap, again } = await readChecked(c, BACKFILL, { deps, bodies, action: "backfill" });
  const now = deps.store.clock.now();
  if (to > now) {
    throw invalidBody("backfill", [{ pointer: "/to", detail: "Must not be in the future" }]);
  }
  const { workflow, trigger } = await workflowOf(deps, schedule);
  const times = timesBetween(schedule, trigger, { from, to, most: BACKFILLED + 1 });
  if (times.length > BACKFILLED) {
    throw invalidBody("backfill", [{
      pointer: "/to",
      detail: `The time span has more than ${BACKFILLED} runs: ask for less at once`,
    }]);
  }
  const ttlSeconds = deps.config.idempotencyTtlSeconds;
  const forgottenUntil = now - ttlSeconds * 1000;
  if (!again && times.some((time) => time <= forgottenUntil && mayHaveRun(workflow, time))) {
    const since = new Date(forgottenUntil).toISOString();
    const detail = `Must be true for times up to ${since}: whether they have run is not remembered, and they run again`;
    throw invalidBody("backfill", [{ pointer: "/again", detail }]);
  }
  c.set("changed", { from, to });
  const executions: object[] = [];
  const counts = { started: 0, existing: 0, skipped: 0 };
  for (const time of times) {
    if (c.req.raw.signal.aborted) break;
    try {
      const { executionId, replayed } = await startScheduled(deps.submit, {
        ...{ workflow, trigger, time, key: runKey(schedule.node, time) },
        ttlSeconds,
        startedBy: c.get("token"),
        onOverlap: onOverlap ?? workflow.definition.settings.onOverlap ?? "queue",
      });
      counts[replayed ? "existing" : "started"]++;
      executions.push({ time, executionId });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "concurrency_exceeded") throw error;
      counts.skipped++;
    }
  }
  c.set("changed", { from, to, ...counts });
  return c.json({ ...counts, executions });
}

/** False for times before the workflow was there, as far as its first version tells. */
function mayHaveRun({ version, updatedAt }: CompiledWorkflow, time: number): boolean {
  return version > 1 || time >= updatedAt;
}

async function find(c: Context<AppEnv>, deps: AppDeps): Promise<StoredSchedule> {
  const [workflowId, node] = [c.req.param("workflow") ?? "", c.req.param("node") ?? ""];
  const found = (await deps.store.schedules.list(workflowId)).find((schedule) => schedule.node === node);
  if (found !== undefined) return found;
  throw new MillraceError(
    "schedule_not_found",
    `The workflow "${workflowId}" has no schedule "${node}" that is active`,
  );
}

async function workflowOf(
  { catalog }: AppDeps,
  { workflowId, node }: ScheduleName,
): Promise<{ workflow: CompiledWorkflow; trigger: Schedule }> {
  const workflow = await catalog.get(workflowId);
  const trigger = workflow?.schedules.find(({ nodeId }) => nodeId === node);
  if (workflow !== undefined && trigger !== undefined) return { workflow, trigger };
  throw new MillraceError("schedule_not_found", `The workflow "${workflowId}" has no schedule "${node}" any more`);
}

/** A schedule as the API shows it: the trigger's parameters, past and coming runs, and notes. */
async function show({ store }: AppDeps, schedule: StoredSchedule): Promise<object> {
  const { workflowId, node, trigger: { nodeId: _, ...parameters }, paused, last, next } = schedule;
  const times: number[] = [];
  for (let time = paused ? undefined : next; time !== undefined && times.length < NEXT;) {
    times.push(time);
    time = nextTime(schedule, schedule.trigger, time);
  }
  return {
    workflowId,
    node,
    ...parameters,
    paused,
    next: times,
    last,
    notes: await store.schedules.notes(schedule, NOTES),
  };
}

function nameOf({ workflowId, node }: ScheduleName): ScheduleName {
  return { workflowId, node };
}

/** The sort key of a schedule in the list. */
function placeOf({ workflowId, node }: ScheduleName): string {
  return `${workflowId} ${node}`;
}
