/**
 * `/api/sessions/<id>/events`, `/commands`, `/input` and `/chains`: the mailboxes of a session; and the recent events
 * of all.
 */
import type { Context, Hono } from "hono";
import { entryTime } from "../../lib/entry_id.ts";
import { MillraceError } from "../../lib/errors.ts";
import { isJsonObject } from "../../lib/json.ts";
import { checkDocument } from "../../sessions/document_check.ts";
import { type Address, type MailboxEntry, type Mailboxes, SESSION_BOXES } from "../../sessions/mailbox.ts";
import { invalid } from "../../sessions/session.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { eventStream, negotiateType } from "../frame/event_stream.ts";
import { integerParameter, resumeParameter, sessionIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { type BodyBudget, withShare } from "../protocol/body_budget.ts";
import { applyPreferences, MAX_WAIT_SECONDS, parsePrefer } from "../protocol/prefer.ts";
import { readJson } from "../protocol/request_body.ts";
import type { SourceMessage } from "../protocol/message_source.ts";

/** The longest `type` that names a server-sent event. */
const MAX_TYPE_LENGTH = 128;

/** Adds the resources to the app. */
export function mailboxes(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  for (const box of SESSION_BOXES) {
    resource(app, `/api/sessions/:id/${box}`, {
      GET: (c) => readBox(c, deps, { box, id: sessionIdParameter(c) }),
      POST: (c) => postToBox(c, deps, bodies, { box, id: sessionIdParameter(c) }),
    });
  }
  resource(app, "/api/events/recent", { GET: (c) => recentEvents(c, deps) });
}

async function postToBox(
  c: Context<AppEnv>,
  deps: AppDeps,
  bodies: BodyBudget,
  address: Address,
): Promise<Response> {
  return await withShare(bodies, async (share) => {
    const body = await readJson(c.req.raw, { ...bodyOptions(c, deps, share), infinite: true });
    if (body === undefined) throw new MillraceError("malformed_json", "Expected what to post: the body is empty");
    const fault = checkDocument(body, []);
    if (fault !== undefined) throw invalid([fault]);
    const id = await deps.store.mailboxes.post(address, JSON.stringify(body));
    return c.json({ id, time: entryTime(id) }, 201);
  });
}

async function readBox(c: Context<AppEnv>, deps: AppDeps, address: Address): Promise<Response> {
  const { mailboxes } = deps.store;
  const type = negotiateType(c, ["application/json", "text/event-stream"]);
  const after = resumeParameter(c);
  const from = after === undefined ? {} : { after };
  if (type === "text/event-stream") {
    return await eventStream(c, deps, (signal) => messages(mailboxes, address, { signal, ...from }));
  }
  const limit = integerParameter(c, "limit", { min: 1, max: 1000, defaultValue: 100 });
  const { waitSeconds, preferenceApplied } = applyPreferences(parsePrefer(c.req.header("prefer")), {
    defaultSeconds: 0,
    maxSeconds: MAX_WAIT_SECONDS,
  });
  let entries = await mailboxes.read(address, { limit, ...from });
  if (entries.length === 0 && waitSeconds > 0 && c.req.method !== "HEAD") {
    entries = await firstEntries(c, deps, address, { timeoutMs: waitSeconds * 1000, ...from });
  }
  const page = entries.slice(0, limit).map(toJson);
  const next = entries.slice(0, limit).at(-1)?.id ?? after;
  return c.body(`{"entries":[${page.join()}]${next === undefined ? "" : `,"next":${JSON.stringify(next)}`}}`, 200, {
    "content-type": "application/json",
    vary: "Accept, Prefer",
    ...(preferenceApplied !== undefined && { "preference-applied": preferenceApplied }),
  });
}

/** The next entries; none when the wait is over, the caller has disconnected or the instance closes. */
async function firstEntries(
  c: Context<AppEnv>,
  { store }: AppDeps,
  address: Address,
  { timeoutMs, ...from }: { timeoutMs: number; after?: string },
): Promise<MailboxEntry[]> {
  const follower = store.replies.follow({ timeoutMs, signal: c.req.raw.signal });
  try {
    for await (const batch of store.mailboxes.follow(address, { signal: follower.signal, ...from })) {
      if (batch !== "gap") return batch;
    }
    return [];
  } finally {
    follower.end();
  }
}

async function* messages(
  mailboxes: Mailboxes,
  address: Address,
  options: { signal: AbortSignal; after?: string },
): AsyncGenerator<SourceMessage[]> {
  for await (const batch of mailboxes.follow(address, options)) {
    yield batch === "gap" ? [{ event: "gap", data: "{}" }] : batch.map(toMessage);
  }
}

function toMessage(entry: MailboxEntry): SourceMessage {
  const data = JSON.parse(entry.json);
  const type = isJsonObject(data) && typeof data["type"] === "string" ? data["type"] : "";
  const isName = type !== "" && type.length <= MAX_TYPE_LENGTH && type !== "gap";
  return { id: entry.id, ...(isName && { event: type }), data: toJson(entry) };
}

function toJson({ id, json }: MailboxEntry): string {
  return `{"id":"${id}","time":${entryTime(id)},"data":${json}}`;
}

async function recentEvents(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: 1000, defaultValue: 100 });
  const events = await store.mailboxes.recent({ limit });
  const shown = events.map(({ session, id, json }) =>
    `{"session":${JSON.stringify(session)},"id":"${id}","time":${entryTime(id)},"data":${json}}`
  );
  return c.body(`{"events":[${shown.join()}]}`, 200, { "content-type": "application/json" });
}
