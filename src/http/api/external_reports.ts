/**
 * `POST /api/executions/<id>/events`: what another program reports of the execution that it runs.
 */
import type { Context } from "hono";
import { z } from "zod";
import { MillraceError } from "../../lib/errors.ts";
import { externalEvent, toReport } from "../../execution/external_event.ts";
import type { ReportOutcome } from "../../execution/external_work.ts";
import { readChecked } from "../frame/checked_body.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionIdParameter } from "../frame/parameters.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { executionNotFound } from "./executions.ts";

const epoch = z.number().int().min(1);
const events = z.array(externalEvent).min(1).max(100);
const REPORTING = z.union([
  z.array(z.unknown()).transform((value) => ({ events: value })),
  z.looseObject({ type: z.string() }).transform(({ epoch, ...event }) => ({ epoch, events: [event] })),
  z.looseObject({}),
]).pipe(z.strictObject({ events, epoch: epoch.optional() }));

/** `POST /api/executions/<id>/events`: in order, up to the first that is refused. */
export async function reportEvents(c: Context<AppEnv>, deps: AppDeps, bodies: BodyBudget): Promise<Response> {
  const { store } = deps;
  const executionId = executionIdParameter(c);
  const value = await readChecked(c, REPORTING, { deps, bodies, action: "take these events" });
  let [accepted, duplicates] = [0, 0];
  for (const event of value.events) {
    // An event without an id gets one, so that a call of the store that is repeated appends it once.
    const named = { ...event, id: event.id ?? crypto.randomUUID() };
    const { epoch } = value;
    const outcome = await store.external.report(toReport(executionId, named, { epoch, time: store.clock.now() }));
    if (outcome === "done") accepted++;
    else if (outcome === "duplicate") duplicates++;
    else throw refusalOf(outcome, executionId, { accepted, duplicates, refused: accepted + duplicates });
  }
  const status = (await store.log.meta(executionId))?.status;
  return c.json({ success: true, executionId, status, accepted, duplicates });
}

const REFUSALS = {
  ended: ["execution_ended", "The execution has already ended"],
  internal: ["not_external", "A worker runs this execution: nothing can be reported of it"],
  stale: ["lease_lost", "The execution was handed out again, or needs the epoch that it was handed out with"],
  order: [
    "event_out_of_order",
    "An execution is started once, before anything else, and not while it waits for its lock or a slot",
  ],
  limit: ["log_limit", "The log of the execution takes its end only"],
} as const;

function refusalOf(
  outcome: Exclude<ReportOutcome, "done" | "duplicate">,
  executionId: string,
  extensions: Record<string, unknown>,
): MillraceError {
  if (outcome === "unknown") return executionNotFound(executionId);
  const [code, message] = REFUSALS[outcome];
  return new MillraceError(code, message, { extensions: { executionId, ...extensions } });
}
