/**
 * `/api/events/ws`: what the event streams send, over a WebSocket. For programs that cannot read Server-Sent Events, and
 * for pages whose every connection counts.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { isExecutionId } from "../../lib/uuidv7.ts";
import { isFeedCursor } from "../../feed/feed_cursor.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { resumeParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { checkPage } from "../frame/same_origin.ts";
import { discard, type OpenSource, prefetch } from "../protocol/message_source.ts";
import { type MessageSocket, sendMessages } from "../protocol/web_socket.ts";
import type { EntryMessages } from "./entry_messages.ts";
import { eventFilters } from "./event_filters.ts";
import { executionMessages } from "./execution_messages.ts";
import { executionNotFound } from "./executions.ts";
import { feedMessages } from "./feed_messages.ts";

/** Adds the resource to the app. */
export function eventSocket(app: Hono<AppEnv>, deps: AppDeps, entries: EntryMessages): void {
  resource(app, "/api/events/ws", { GET: (c) => openSocket(c, deps, entries) });
}

/** The same parameters as the streams: `from`, the filters, and `execution` for the events of one alone. */
async function openSocket(c: Context<AppEnv>, deps: AppDeps, entries: EntryMessages): Promise<Response> {
  const { config, drainSignal, logger } = deps;
  checkPage(c, config.corsOrigins);
  const open = c.req.query("execution") === undefined ? allEvents(c, deps, entries) : await executionEvents(c, deps);
  const upgrade = c.env?.upgrade;
  if (upgrade === undefined) {
    throw new MillraceError("upgrade_required", "This is a WebSocket: it takes a handshake of RFC 6455", {
      headers: { upgrade: "websocket", connection: "upgrade" },
    });
  }
  const requestId = c.get("requestId");
  const source = await prefetch(open);
  const send = (socket: MessageSocket) =>
    void sendMessages(socket, source, {
      limitBytes: config.followerLimitBytes,
      signal: drainSignal,
      onError: (error) => logger.warn({ error, requestId }, "event socket ended early"),
    });
  return upgrade.accept(send, () => discard(source));
}

function allEvents(c: Context<AppEnv>, { store: { projections } }: AppDeps, entries: EntryMessages): OpenSource {
  const after = resumeParameter(c, isFeedCursor);
  const filters = eventFilters(c);
  return (signal) => feedMessages({ projections, entries, signal, filters, ...(after !== undefined && { after }) });
}

async function executionEvents(c: Context<AppEnv>, { store: { log } }: AppDeps): Promise<OpenSource> {
  const text = c.req.query("execution") ?? "";
  const id = text.toLowerCase();
  if (!isExecutionId(id)) throw new MillraceError("invalid_execution_id", `"${text}" is not a UUID of version 7`);
  const after = resumeParameter(c);
  const filters = eventFilters(c);
  if (await log.meta(id) === undefined) throw executionNotFound(id);
  return (signal) => executionMessages(log, id, { signal, filters, ...(after !== undefined && { after }) });
}
