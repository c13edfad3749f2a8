/**
 * Events: of one execution, as a page, as lines or live, and of all executions, live.
 */
import type { Context, Hono } from "hono";
import { isEnded } from "../../execution/event.ts";
import { isFeedCursor } from "../../feed/feed_cursor.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { eventStream, negotiateType } from "../frame/event_stream.ts";
import { EntryMessages } from "./entry_messages.ts";
import { eventSocket } from "./event_socket.ts";
import { eventFilters } from "./event_filters.ts";
import { historyLines, jsonPage } from "./event_pages.ts";
import { executionMessages } from "./execution_messages.ts";
import { executionNotFound } from "./executions.ts";
import { reportEvents } from "./external_reports.ts";
import { feedMessages } from "./feed_messages.ts";
import { executionIdParameter, integerParameter, resumeParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { asksForSpeed, replayedEvents } from "./replayed_events.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { textStream } from "../protocol/text_stream.ts";

const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";
const STREAM_TYPE = "text/event-stream";

/** Adds the resources to the app. */
export function events(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const entries = new EntryMessages(deps.store.log);
  resource(app, "/api/executions/:id/events", {
    GET: (c) => asksForSpeed(c) ? replayedEvents(c, deps) : executionEvents(c, deps),
    POST: (c) => reportEvents(c, deps, bodies),
  });
  eventSocket(app, deps, entries);
  resource(app, "/api/events", { GET: (c) => allEvents(c, deps, entries) });
}

async function executionEvents(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const { log } = deps.store;
  const id = executionIdParameter(c);
  const type = negotiateType(c, [JSON_TYPE, LINES_TYPE, STREAM_TYPE]);
  const after = resumeParameter(c);
  const from = after === undefined ? {} : { after };
  const limit = integerParameter(c, "limit", { min: 1, max: 1_000, defaultValue: 100 });
  const filters = eventFilters(c);
  const meta = await log.meta(id);
  if (meta === undefined) throw executionNotFound(id);

  if (type === JSON_TYPE) {
    const body = await jsonPage(log, id, { limit, filters, ...from });
    return c.body(body, 200, { "content-type": JSON_TYPE, vary: "Accept" });
  }
  if (type === LINES_TYPE) {
    // HEAD opens no stream, since nothing would close it.
    const headers = { "content-type": LINES_TYPE, vary: "Accept" };
    return c.req.method === "HEAD"
      ? c.body(null, 200, headers)
      : c.body(textStream(historyLines(log, id, { filters, ...from })), 200, headers);
  }
  if (
    after !== undefined && isEnded(meta.status) && (await log.read(id, { after, limit: 1, values: false })).length === 0
  ) {
    // 204 tells an EventSource that has had the terminal event to stop reconnecting (WHATWG HTML, section 9.2.2).
    return c.body(null, 204, { vary: "Accept" });
  }
  return await eventStream(c, deps, (signal) => executionMessages(log, id, { signal, filters, ...from }));
}

async function allEvents(c: Context<AppEnv>, deps: AppDeps, entries: EntryMessages): Promise<Response> {
  const { projections } = deps.store;
  negotiateType(c, [STREAM_TYPE]);
  const after = resumeParameter(c, isFeedCursor);
  const from = after === undefined ? {} : { after };
  const filters = eventFilters(c);
  return await eventStream(c, deps, (signal) => feedMessages({ projections, entries, signal, filters, ...from }));
}
