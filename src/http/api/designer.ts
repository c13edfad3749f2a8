/**
 * `/api/designer/<workflowId>`: the state of a workflow that is being edited, for an hour from each use on, and a
 * channel on which those who edit see each other's saves.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { BOX_TTL_MS, type Mailboxes } from "../../sessions/mailbox.ts";
import type { Session } from "../../sessions/session.ts";
import { Sessions } from "../../sessions/sessions.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { eventStream, negotiateType } from "../frame/event_stream.ts";
import { resumeParameter, workflowIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { type BodyBudget, withShare } from "../protocol/body_budget.ts";
import { etag, evaluateGuards, evaluateIfMatch, matchesIfNoneMatch } from "../protocol/entity_tag.ts";
import { readJson } from "../protocol/request_body.ts";
import type { SourceMessage } from "../protocol/message_source.ts";

/** Adds the resources to the app. */
export function designer(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const states = new Sessions({
    store: deps.store.designer,
    limitBytes: deps.config.sessionLimitBytes,
    ttlSeconds: BOX_TTL_MS.designer / 1000,
  });
  resource(app, "/api/designer/:id", {
    GET: (c) => getState(c, states),
    PUT: (c) => putState(c, deps, { states, bodies }),
    DELETE: (c) => deleteState(c, states),
  });
  resource(app, "/api/designer/:id/events", { GET: (c) => followState(c, deps, states) });
}

async function getState(c: Context<AppEnv>, states: Sessions): Promise<Response> {
  const state = await states.get(workflowIdParameter(c));
  if (state === undefined) throw stateNotFound();
  if (matchesIfNoneMatch(c.req.header("if-none-match"), state.version)) return c.body(null, 304, headersOf(state));
  return answer(c, state, 200);
}

/** The body is the state itself, any JSON. */
async function putState(
  c: Context<AppEnv>,
  deps: AppDeps,
  { states, bodies }: { states: Sessions; bodies: BodyBudget },
): Promise<Response> {
  const id = workflowIdParameter(c);
  return await withShare(bodies, async (share) => {
    const data = await readJson(c.req.raw, { ...bodyOptions(c, deps, share), infinite: true });
    if (data === undefined) throw new MillraceError("malformed_json", "Expected a state: the body is empty");
    const guards = await evaluateGuards(c.req.raw.headers, async () => (await states.get(id))?.version);
    const { session, created } = await states.put(id, { data }, guards);
    return answer(c, session, created ? 201 : 200);
  });
}

async function deleteState(c: Context<AppEnv>, states: Sessions): Promise<Response> {
  const id = workflowIdParameter(c);
  const ifMatch = await evaluateIfMatch(c.req.header("if-match"), async () => (await states.get(id))?.version);
  if (!(await states.delete(id, ifMatch === undefined ? {} : { ifMatch }))) throw stateNotFound();
  return c.body(null, 204);
}

async function followState(c: Context<AppEnv>, deps: AppDeps, states: Sessions): Promise<Response> {
  const id = workflowIdParameter(c);
  negotiateType(c, ["text/event-stream"]);
  const after = resumeParameter(c);
  return await eventStream(
    c,
    deps,
    (signal) => saves(deps.store.mailboxes, { states, id, signal, ...(after !== undefined && { after }) }),
  );
}

/**
 * The current state, unless the follower resumes; then each save, with the state, unless a later one has replaced it,
 * and each deletion.
 */
async function* saves(
  mailboxes: Mailboxes,
  { states, id, ...options }: { states: Sessions; id: string; signal: AbortSignal; after?: string },
): AsyncGenerator<SourceMessage[]> {
  let shown = options.after === undefined ? await states.get(id) : undefined;
  if (shown !== undefined) yield [toMessage(shown)];
  // A follower that has seen no state is not told of earlier deletions.
  let isNew = options.after === undefined && shown === undefined;
  for await (const batch of mailboxes.follow({ box: "designer", id }, options)) {
    if (batch === "gap") {
      yield [{ event: "gap", data: "{}" }];
      continue;
    }
    const { id: entryId, json } = batch.at(-1)!;
    const { type, version } = JSON.parse(json);
    if (type === "deleted") {
      if (!isNew) yield [{ id: entryId, event: type, data: "{}" }];
    } else if (shown === undefined || version > shown.version) {
      const state = await states.get(id);
      if (state !== undefined) yield [{ ...toMessage(shown = state), id: entryId }];
    }
    isNew = false;
  }
}

function toMessage({ version, updatedAt, data }: Session): SourceMessage {
  return { event: "saved", data: JSON.stringify({ etag: etag(version), updatedAt, state: data }) };
}

function answer(c: Context<AppEnv>, state: Session, status: 200 | 201): Response {
  return c.body(JSON.stringify(state.data), status, { ...headersOf(state), "content-type": "application/json" });
}

function headersOf({ version, expiresAt }: Session): Record<string, string> {
  return { etag: etag(version), "session-expires-at": String(expiresAt), "cache-control": "private, no-cache" };
}

function stateNotFound(): MillraceError {
  return new MillraceError("designer_state_not_found", "Nobody edits this workflow, or the state has expired");
}
