/**
 * `/api/sessions`: documents of users, each with a version and a time to live.
 */
import type { Context, Hono } from "hono";
import { mediaType } from "../../lib/content_type.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import { formatPointer, valueAt } from "../../lib/json_pointer.ts";
import { SealedParts } from "../../sessions/sealed_parts.ts";
import { type Guards, isSessionId, type Session, sessionNotFound, toDocument } from "../../sessions/session.ts";
import { Sessions } from "../../sessions/sessions.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { integerParameter, pointerParameter, sessionIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { type BodyBudget, withShare } from "../protocol/body_budget.ts";
import { etag, evaluateGuards, evaluateIfMatch, matchesIfNoneMatch } from "../protocol/entity_tag.ts";
import { readJson } from "../protocol/request_body.ts";

/** How each type of patch (RFC 5789) is applied. */
const PATCHES = {
  "application/merge-patch+json": "merge",
  "application/json-patch+json": "patch",
} as const;

/** How many sessions one call may delete. */
const MOST_DELETED = 1000;

/** Adds the resources to the app. */
export function sessions(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const { store, config } = deps;
  const sessions = new Sessions({
    store: store.sessions,
    parts: new SealedParts({ keys: config.encryptionKeys, pointers: config.sessionEncrypt }),
    limitBytes: config.sessionLimitBytes,
    ttlSeconds: config.sessionTtlSeconds,
  });
  const withBody = (c: Context<AppEnv>, answer: (read: ReadBody) => Promise<Response>) =>
    withShare(bodies, (share) => answer(() => readJson(c.req.raw, { ...bodyOptions(c, deps, share), infinite: true })));
  resource(app, "/api/sessions", {
    GET: (c) => listSessions(c, sessions),
    DELETE: (c) => deleteSessions(c, deps, sessions),
  });
  resource(app, "/api/sessions/:id", {
    GET: (c) => getSession(c, sessions),
    PUT: (c) => withBody(c, (read) => putSession(c, sessions, read)),
    PATCH: (c) => withBody(c, (read) => patchSession(c, sessions, read)),
    DELETE: (c) => deleteSession(c, deps, sessions),
  });
  resource(app, "/api/sessions/:id/data", { GET: (c) => getPart(c, sessions) });
  resource(app, "/api/sessions/:id/data/*", { GET: (c) => getPart(c, sessions) });
}

async function listSessions(c: Context<AppEnv>, sessions: Sessions): Promise<Response> {
  const limit = integerParameter(c, "limit", { min: 1, max: 1000, defaultValue: 100 });
  const cursor = c.req.query("cursor");
  return c.json(await sessions.list({ limit, ...(cursor !== undefined && { cursor }) }));
}

async function getSession(c: Context<AppEnv>, sessions: Sessions): Promise<Response> {
  const session = await sessions.get(sessionIdParameter(c));
  if (session === undefined) throw sessionNotFound();
  if (matchesIfNoneMatch(c.req.header("if-none-match"), session.version)) return c.body(null, 304, headersOf(session));
  return c.json(toDocument(session), 200, headersOf(session));
}

async function getPart(c: Context<AppEnv>, sessions: Sessions): Promise<Response> {
  const tokens = pointerParameter(c, { from: "/api/sessions/id/data".split("/").length });
  const session = await sessions.get(sessionIdParameter(c));
  if (session === undefined) throw sessionNotFound();
  const part = valueAt(session.data, tokens);
  if (part === undefined) {
    const message = `The session has nothing at "${formatPointer(tokens)}" of its data`;
    throw new MillraceError("session_part_not_found", message);
  }
  if (matchesIfNoneMatch(c.req.header("if-none-match"), session.version)) return c.body(null, 304, headersOf(session));
  return c.body(JSON.stringify(part), 200, { ...headersOf(session), "content-type": "application/json" });
}

type ReadBody = () => Promise<JsonValue | undefined>;

async function putSession(c: Context<AppEnv>, sessions: Sessions, read: ReadBody): Promise<Response> {
  const id = sessionIdParameter(c);
  const body = await read();
  if (body === undefined) throw new MillraceError("malformed_json", "Expected a session: the body is empty");
  const guards = await evaluateGuards(c.req.raw.headers, async () => (await sessions.get(id))?.version);
  const { session, created } = await sessions.put(id, body, guards);
  return c.json(toDocument(session), created ? 201 : 200, {
    ...headersOf(session),
    ...(created && { location: `/api/sessions/${encodeURIComponent(id)}` }),
  });
}

async function patchSession(c: Context<AppEnv>, sessions: Sessions, read: ReadBody): Promise<Response> {
  const id = sessionIdParameter(c);
  const type = mediaType(c.req.header("content-type") ?? null);
  const apply = Object.hasOwn(PATCHES, type) ? PATCHES[type as keyof typeof PATCHES] : undefined;
  if (apply === undefined) {
    const types = Object.keys(PATCHES).join(", ");
    throw new MillraceError("unsupported_media_type", `Expected a patch of ${types}: received "${type}"`, {
      headers: { "accept-patch": types },
    });
  }
  const body = await read();
  if (body === undefined) throw new MillraceError("malformed_json", "Expected a patch: the body is empty");
  const session = await sessions[apply](id, body, await guardsOf(c, sessions, id));
  return c.json(toDocument(session), 200, headersOf(session));
}

async function deleteSession(c: Context<AppEnv>, { store }: AppDeps, sessions: Sessions): Promise<Response> {
  const id = sessionIdParameter(c);
  const existed = await sessions.delete(id, await guardsOf(c, sessions, id));
  await store.mailboxes.clear(id);
  if (!existed) throw sessionNotFound();
  return c.body(null, 204);
}

/** Those that the query names, each as `id`; never all. */
async function deleteSessions(c: Context<AppEnv>, { store }: AppDeps, sessions: Sessions): Promise<Response> {
  const ids = new Set(c.req.queries("id"));
  if (ids.size === 0 || ids.size > MOST_DELETED || ![...ids].every(isSessionId)) {
    throw new MillraceError("invalid_parameter", `Expected 1 to ${MOST_DELETED} session ids, each as ?id=`, {
      extensions: { parameter: "id" },
    });
  }
  c.set("changed", { sessions: [...ids] });
  const existed = await Promise.all([...ids].map(async (id) => {
    const deleted = await sessions.delete(id);
    await store.mailboxes.clear(id);
    return deleted;
  }));
  return c.json({ deleted: existed.filter(Boolean).length });
}

async function guardsOf(c: Context<AppEnv>, sessions: Sessions, id: string): Promise<Pick<Guards, "ifMatch">> {
  const ifMatch = await evaluateIfMatch(c.req.header("if-match"), async () => (await sessions.get(id))?.version);
  return ifMatch === undefined ? {} : { ifMatch };
}

/** The entity tag, and when the session ends unless it is used, in epoch milliseconds. */
function headersOf({ version, expiresAt }: Session): Record<string, string> {
  return { etag: etag(version), "session-expires-at": String(expiresAt), "cache-control": "private, no-cache" };
}
