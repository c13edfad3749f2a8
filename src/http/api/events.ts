/**
 * Events: of one execution, as a page, as lines or live, and of all executions, live.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { type EventType, isEnded, type StoredEvent } from "../../execution/event.ts";
import { isFeedCursor } from "../../feed/feed_cursor.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import { negotiate } from "../protocol/accept.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionNotFound } from "./executions.ts";
import { feedMessages } from "./feed_messages.ts";
import { executionIdParameter, integerParameter, resumeParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { asksForSpeed, replayedEvents } from "./replayed_events.ts";
import {
  EVENT_STREAM_HEADERS,
  type OpenSource,
  prefetch,
  serverSentEvents,
  type ServerSentMessage,
} from "../protocol/server_sent_events.ts";
import { textStream } from "../protocol/text_stream.ts";

const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";
const STREAM_TYPE = "text/event-stream";

/** Past this many characters of JSON a page takes no further event. */
const PAGE_CHARACTERS = 2 ** 22;

const EVENT_TYPES: ReadonlySet<string> = new Set<EventType>([
  "execution.requested",
  "execution.started",
  "execution.paused",
  "execution.resumed",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "node.started",
  "node.progress",
  "node.completed",
  "node.failed",
  "node.skipped",
  "node.retrying",
  "node.waiting",
]);

/** Adds the resources to the app. */
export function events(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/executions/:id/events", {
    GET: (c) => asksForSpeed(c) ? replayedEvents(c, deps) : executionEvents(c, deps),
  });
  resource(app, "/api/events", { GET: (c) => allEvents(c, deps) });
}

async function executionEvents(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const { log } = deps.store;
  const id = executionIdParameter(c);
  const type = negotiateType(c, [JSON_TYPE, LINES_TYPE, STREAM_TYPE]);
  const after = resumeParameter(c);
  const limit = integerParameter(c, "limit", { min: 1, max: 1_000, defaultValue: 100 });
  const meta = await log.meta(id);
  if (meta === undefined) throw executionNotFound(id);

  if (type === JSON_TYPE) {
    const body = await jsonPage(log, id, { limit, ...(after !== undefined && { after }) });
    return c.body(body, 200, { "content-type": JSON_TYPE, vary: "Accept" });
  }
  if (type === LINES_TYPE) {
    // A HEAD request opens nothing: nobody would close it.
    const headers = { "content-type": LINES_TYPE, vary: "Accept" };
    return c.req.method === "HEAD"
      ? c.body(null, 200, headers)
      : c.body(textStream(historyLines(log, id, after)), 200, headers);
  }
  if (
    after !== undefined && isEnded(meta.status) && (await log.read(id, { after, limit: 1, values: false })).length === 0
  ) {
    // 204 tells an EventSource that has had the terminal event to stop reconnecting (WHATWG HTML, section 9.2.2).
    return c.body(null, 204, { vary: "Accept" });
  }
  return await eventStream(
    c,
    deps,
    (signal) => executionMessages(log, id, { signal, ...(after !== undefined && { after }) }),
  );
}

async function allEvents(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const { store } = deps;
  negotiateType(c, [STREAM_TYPE]);
  const after = resumeParameter(c, isFeedCursor);
  const workflowId = c.req.query("workflow");
  const types = (c.req.queries("type") ?? []).flatMap((value) => value.split(",")).filter((type) => type !== "");
  const unknown = types.find((type) => !EVENT_TYPES.has(type));
  if (unknown !== undefined) {
    throw new MillraceError("invalid_parameter", `Expected "type" to be an event type: received "${unknown}"`, {
      extensions: { parameter: "type" },
    });
  }
  return await eventStream(c, deps, (signal) =>
    feedMessages(store, {
      signal,
      ...(after !== undefined && { after }),
      ...(workflowId !== undefined && { workflowId }),
      ...(types.length > 0 && { types: new Set(types) }),
    }));
}

/** @throws {MillraceError} `too_many_waiters` and whatever else keeps the stream from beginning */
async function eventStream(c: Context<AppEnv>, deps: AppDeps, open: OpenSource): Promise<Response> {
  const headers = { ...EVENT_STREAM_HEADERS, vary: "Accept" };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const requestId = c.get("requestId");
  const body = serverSentEvents(await prefetch(open), {
    signal: deps.drainSignal,
    onError: (error) => deps.logger.warn({ error, requestId }, "event stream ended early"),
  });
  return c.body(body as ReadableStream<Uint8Array<ArrayBuffer>>, 200, headers);
}

async function* executionMessages(
  log: ExecutionLog,
  executionId: string,
  options: { signal: AbortSignal; after?: string },
): AsyncGenerator<ServerSentMessage[]> {
  for await (const { id, type, time, node, data } of log.tail(executionId, options)) {
    yield [{ id, event: type, data: JSON.stringify({ executionId, type, time, node, data }) }];
  }
}

/** One page as JSON: `limit` events at most, and fewer where they are large. */
async function jsonPage(log: ExecutionLog, id: string, options: { limit: number; after?: string }): Promise<string> {
  const { limit } = options;
  const shown: string[] = [];
  let last: StoredEvent | undefined;
  let next: string | undefined;
  let characters = 0;
  reading: for await (const page of log.pages(id, { ...options, limit: limit + 1 })) {
    for (const event of page) {
      if (shown.length === limit || characters > PAGE_CHARACTERS) {
        next = last!.id;
        break reading;
      }
      last = event;
      shown.push(JSON.stringify(toDocument(event)));
      characters += shown.at(-1)!.length;
    }
  }
  return `{"events":[${shown.join()}]${next === undefined ? "" : `,"next":${JSON.stringify(next)}`}}`;
}

/** The stored history, one event a line, read page by page as the client takes it. */
async function* historyLines(log: ExecutionLog, id: string, from: string | undefined): AsyncGenerator<string> {
  for await (const page of log.pages(id, from === undefined ? {} : { after: from })) {
    yield page.map((event) => `${JSON.stringify(toDocument(event))}\n`).join("");
  }
}

function toDocument({ id, type, time, node, data }: StoredEvent): object {
  return { id, type, time, ...(node !== undefined && { node }), data };
}

function negotiateType<T extends string>(c: Context<AppEnv>, offers: readonly T[]): T {
  const accept = c.req.header("accept");
  const type = negotiate(accept, offers);
  if (type !== undefined) return type;
  throw new MillraceError("not_acceptable", `Can answer ${offers.join(", ")} here: accepted is only "${accept}"`, {
    headers: { vary: "Accept" },
  });
}
