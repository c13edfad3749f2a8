/**
 * `GET /api/executions/<id>/events?speed=N`: history as Server-Sent Events in its own rhythm, N times faster.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import { paced } from "../../replay/pace.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionIdParameter, resumeParameter } from "../frame/parameters.ts";
import { negotiate } from "../protocol/accept.ts";
import type { SourceMessage } from "../protocol/message_source.ts";
import { EVENT_STREAM_HEADERS, serverSentEvents } from "../protocol/server_sent_events.ts";
import { type EventFilters, eventFilters } from "./event_filters.ts";
import { messagesOf } from "./execution_messages.ts";
import { executionNotFound } from "./executions.ts";

const MAX_SPEED = 1_000_000;

/** True for a request that asks for a speed. */
export function asksForSpeed(c: Context<AppEnv>): boolean {
  return c.req.query("speed") !== undefined;
}

/**
 * Streams the events that pass the filters, from the first on or after `Last-Event-ID`, each when it is due; an
 * execution that still runs is followed to its end. After that 204 tells an EventSource to stop (WHATWG HTML, section
 * 9.2.2).
 */
export async function replayedEvents(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const { log } = deps.store;
  const id = executionIdParameter(c);
  const speed = speedParameter(c);
  const after = resumeParameter(c);
  const filters = eventFilters(c);
  if (negotiate(c.req.header("accept"), [EVENT_STREAM_HEADERS["content-type"]]) === undefined) {
    throw new MillraceError("not_acceptable", "With a speed, events come as text/event-stream only", {
      headers: { vary: "Accept" },
    });
  }
  if (await log.meta(id) === undefined) throw executionNotFound(id);
  const headers = { ...EVENT_STREAM_HEADERS, vary: "Accept" };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  if (after !== undefined && await hasEndedBy(log, id, after)) return c.body(null, 204, { vary: "Accept" });
  const requestId = c.get("requestId");
  const body = serverSentEvents(
    (signal) => messages(log, id, { speed, signal, filters, ...(after !== undefined && { after }) }),
    {
      limitBytes: deps.config.followerLimitBytes,
      hangUp: c.env?.hangUp,
      signal: deps.drainSignal,
      onError: (error) => deps.logger.warn({ error, requestId }, "event stream ended early"),
    },
  );
  return c.body(body as ReadableStream<Uint8Array<ArrayBuffer>>, 200, headers);
}

async function hasEndedBy(log: ExecutionLog, id: string, after: string): Promise<boolean> {
  if ((await log.meta(id))?.endedAt === undefined) return false;
  return (await log.read(id, { after, limit: 1, values: false })).length === 0;
}

async function* messages(
  log: ExecutionLog,
  executionId: string,
  options: { speed: number; signal: AbortSignal; filters: EventFilters; after?: string },
): AsyncGenerator<SourceMessage[]> {
  const { speed, signal, filters, after } = options;
  const events = log.tail(executionId, { signal, ...(after !== undefined && { after }) });
  // What is left out leaves its time in between.
  for await (const event of paced(events, { speed, signal })) {
    const shown = messagesOf(executionId, [event], filters);
    if (shown.length > 0) yield shown;
  }
}

function speedParameter(c: Context<AppEnv>): number {
  const text = c.req.query("speed") ?? "";
  const speed = /^\d{1,7}(\.\d{1,6})?$/.test(text) ? Number(text) : NaN;
  if (speed <= MAX_SPEED) return speed;
  throw new MillraceError("invalid_parameter", `Expected "speed" to be 0 to ${MAX_SPEED}: received "${text}"`, {
    extensions: { parameter: "speed" },
  });
}
