/**
 * `ANY /webhook/<path>`: the way of a request into a workflow and of the workflow's response out.
 *
 * This is the hot path. Its response is made once, with its headers as a plain object, and no middleware touches it.
 */
import { MillraceError } from "../../lib/errors.ts";
import { Turns } from "../../lib/turns.ts";
import type { Verification } from "../../workflow/definition.ts";
import type { WebhookMatch } from "../../workflow/webhook_matcher.ts";
import { checkDepth } from "../protocol/depth.ts";
import type { BodyBudget, BodyShare } from "../protocol/body_budget.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import type { SentHeaders } from "../frame/sent_headers.ts";
import { corsHeaders, isPreflight, logIfInternal, preflightResponse, requestIdOf, roundMs } from "../frame/frame.ts";
import { REPLAYED_HEADER } from "../protocol/idempotency.ts";
import { applyPreferences, parsePrefer } from "../protocol/prefer.ts";
import { problemResponse } from "../protocol/problem.ts";
import { bodyLimits, readBytes } from "../protocol/request_body.ts";
import { behindFirstSegment, splitUrl } from "../frame/request_path.ts";
import { allowHeader, methodNotAllowed } from "../frame/resource.ts";
import { BYPASSED } from "../../caches/cache_status.ts";
import { answerCached, cachesOf } from "./cached.ts";
import { checkAddress, limitRate } from "./guards.ts";
import { matchWebhook } from "./match.ts";
import { respond, shownTo } from "./respond.ts";
import type { Way } from "../../execution/claim.ts";
import type { Reply } from "../../execution/replies.ts";
import { executionIdOf } from "../../execution/submit.ts";
import { submissionOf } from "./submission.ts";
import { createVerify, type Verified, type Verify } from "./verify/verify.ts";

const ROUTE = "/webhook/*";
/** The client disconnected while it waited. Only the log shows this status: it is the one that nginx logs. */
const CLIENT_CLOSED_REQUEST = 499;
/** How many calls begin in one turn of the event loop. */
const CALLS_A_TURN = 8;

/** The state of one call of a webhook. */
interface Call {
  readonly request: Request;
  readonly sent: SentHeaders;
  /** Without the prefix, as sent. */
  readonly path: string;
  readonly query: string;
  readonly startedAt: number;
  /** Headers of the response, filled on the way. */
  readonly headers: Record<string, string>;
  /** Held until the call is answered, since its input may stay in memory for that long. */
  readonly share: BodyShare;
  /** The address of the connection, and what takes a body that came with the head. */
  readonly peer: AppEnv["Bindings"]["peer"];
  readonly takeBody: AppEnv["Bindings"]["takeBody"];
  executionId?: string;
  way?: Way | undefined;
  appendMs: number;
  waitMs: number;
}

/** With what verifies callers. */
type VerifyingDeps = AppDeps & { readonly verify: Verify };

/** Answers a call of a webhook; never rejects. */
export type CallWebhook = (request: Request, connection?: AppEnv["Bindings"]) => Promise<Response>;

/** Makes what answers all webhooks. */
export function webhooks(appDeps: AppDeps, bodies: BodyBudget): CallWebhook {
  const deps = { ...appDeps, verify: createVerify({ secrets: appDeps.config.secrets, clock: appDeps.store.clock }) };
  const turns = new Turns({ most: CALLS_A_TURN });
  return async function callWebhook(request, connection) {
    const { path, query } = splitUrl(request.url);
    const sent = connection?.headers?.() ?? request.headers;
    const requestId = requestIdOf(sent);
    const headers: Record<string, string> = {
      "x-content-type-options": "nosniff",
      "x-request-id": requestId,
      ...corsHeaders(request, deps.config.corsOrigins),
    };
    const call: Call = {
      request,
      path: behindFirstSegment(path),
      query,
      startedAt: performance.now(),
      headers,
      share: bodies.open(),
      peer: connection?.peer,
      takeBody: connection?.takeBody,
      sent,
      appendMs: 0,
      waitMs: 0,
    };
    let response: Response;
    try {
      await turns.next();
      response = await answer(deps, call);
    } catch (thrown) {
      logIfInternal(deps, thrown, requestId);
      response = problemResponse(thrown, {
        instance: path,
        headers: finish(call),
        ...(call.executionId !== undefined && { extensions: { executionId: call.executionId } }),
      });
    }
    call.share.close();
    connection?.endBody?.();
    const ms = performance.now() - call.startedAt;
    deps.metrics?.httpAnswered?.(ROUTE, response.status);
    deps.metrics?.webhookAnswered?.(ms / 1000);
    const { executionId } = call;
    const said = { method: request.method, path, status: response.status, ms: roundMs(ms), requestId };
    deps.logger.info(executionId === undefined ? said : { ...said, executionId }, "request");
    return response;
  };
}

async function answer(deps: VerifyingDeps, call: Call): Promise<Response> {
  const { config, catalog } = deps;
  const { request, sent, headers } = call;
  const match = matchWebhook(catalog, request.method, call.path);
  if (match === undefined) throw new MillraceError("webhook_not_found", "No active webhook has this path");
  if (config.corsOrigins.length > 0 && isPreflight(request)) return preflightResponse(request, headers);
  if ("allow" in match) {
    if (request.method !== "OPTIONS") throw methodNotAllowed(request.method, match.allow);
    return new Response(null, { status: 204, headers: { ...headers, allow: allowHeader(match.allow) } });
  }

  const { webhook } = match;
  if (webhook.allow !== undefined) checkAddress(call, { allow: webhook.allow, trusted: config.trustedProxies });
  const isAsync = webhook.responseMode === "onReceived";
  const { waitSeconds, preferenceApplied } = isAsync
    ? { waitSeconds: 0, preferenceApplied: undefined }
    : applyPreferences(parsePrefer(sent.get("prefer")), {
      defaultSeconds: webhook.timeoutSeconds,
      maxSeconds: webhook.timeoutSeconds,
    });
  if (preferenceApplied !== undefined) headers["preference-applied"] = preferenceApplied;

  const admitted = webhook.verify === undefined ? {} : await admit(deps, call, webhook.verify);
  const isPlain = preferenceApplied === undefined && sent.get("idempotency-key") === null;
  const caches = isAsync ? undefined : cachesOf(deps, match.workflow);
  if (caches && !isPlain) headers["cache-status"] = BYPASSED;
  const leftSeconds = () => Math.max(0.001, waitSeconds - waited(call));
  const { response, result, interrupted } = caches && isPlain
    ? await answerCached(caches, { ...call, match, body: admitted.body ?? await readBody(deps, call) }, {
      start: (body) => start(deps, call, { ...admitted, match, body, waitSeconds: leftSeconds() }),
      waitMs: leftSeconds() * 1000,
      headers: () => finish(call),
    })
    : { response: undefined, ...await start(deps, call, { ...admitted, match, waitSeconds }) };

  if (response) return response;
  if (result) return respond(shownTo(webhook, result), finish(call));
  if (interrupted === "caller gone") {
    return new Response(null, { status: CLIENT_CLOSED_REQUEST, headers: finish(call) });
  }
  const { executionId } = call;
  headers["location"] = `/api/executions/${executionId}`;
  if (!isAsync && preferenceApplied === undefined) {
    if (interrupted === "closing") {
      throw new MillraceError("shutting_down", "The instance is shutting down; the execution runs on");
    }
    throw new MillraceError(
      "deadline_exceeded",
      `The execution has not answered within ${webhook.timeoutSeconds} s and runs on`,
    );
  }
  headers["content-type"] = "application/json";
  return new Response(JSON.stringify({ executionId, status: "pending" }), {
    status: isAsync ? 200 : 202,
    headers: finish(call),
  });
}

/** A call whose caller is verified. */
interface Admitted {
  readonly body?: Uint8Array;
  readonly verified?: Verified;
}

/** Verifies the caller, before the cache is looked up or anything else is done. */
async function admit(deps: VerifyingDeps, call: Call, how: Verification): Promise<Admitted> {
  const body = await readBody(deps, call);
  const { headers } = call.request;
  return { body, verified: await deps.verify(how, { headers, body: body as Uint8Array<ArrayBuffer> }) };
}

/** Reads the body, submits it, and waits for the reply where the webhook's caller does. */
async function start(
  deps: AppDeps,
  call: Call,
  options: { match: WebhookMatch; waitSeconds: number } & Admitted,
): Promise<Partial<Reply>> {
  const { request } = call;
  const { match: { workflow, webhook, params }, waitSeconds } = options;
  checkDepth(call.sent);
  const bytes = options.body ?? await readBody(deps, call);
  const read = { ...call, params, bytes, webhook, verified: options.verified };
  const own = submissionOf(read, deps.config);
  const submission = {
    ...own instanceof Promise ? await own : own,
    workflow,
    wait: waitSeconds === 0
      ? undefined
      : { timeoutMs: waitSeconds * 1000, replyEarly: webhook.responseMode === "responseNode" },
    signal: () => request.signal,
  };
  if (webhook.rateLimit !== undefined) {
    await limitRate(deps.store.rateLimits, options.match, { ...call, ...submission });
  }
  const submittedAt = performance.now();
  try {
    const submitted = await deps.submit(submission);
    const { executionId, replayed, reply } = submitted;
    call.way = submitted.way;
    call.executionId = executionId;
    if (replayed) call.headers[REPLAYED_HEADER] = "true";
    if (submitted.durability !== undefined) call.headers["millrace-durability"] = submitted.durability;
    const acceptedAt = performance.now();
    call.appendMs = acceptedAt - submittedAt;
    if (reply === undefined) return {};
    const outcome = await reply;
    if (submitted.durability !== undefined) call.headers["millrace-durability"] = submitted.durability;
    call.waitMs = performance.now() - acceptedAt;
    return outcome;
  } catch (error) {
    // Without an answer of the store the execution may or may not have started.
    const executionId = executionIdOf(error);
    if (executionId !== undefined) call.executionId ??= executionId;
    if (request.signal.aborted) return { interrupted: "caller gone" };
    throw error;
  }
}

const readBody = ({ config }: AppDeps, { request, sent: headers, share, takeBody: take }: Call): Promise<Uint8Array> =>
  readBytes(request, { ...bodyLimits(config), share, take, headers });

/** Seconds since the call came, what it waited for the answer to another among them. */
const waited = ({ startedAt }: Call): number => (performance.now() - startedAt) / 1000;

/** Completes the headers: those that every webhook's response has. */
function finish(call: Call): Record<string, string> {
  const { headers, executionId, way, startedAt, appendMs, waitMs } = call;
  const total = `total;dur=${(performance.now() - startedAt).toFixed(2)}`;
  if (executionId === undefined) headers["server-timing"] = total;
  else {
    headers["execution-id"] = executionId;
    const taken = way === undefined ? "" : `way;desc="${way}", `;
    headers["server-timing"] = `${taken}append;dur=${appendMs.toFixed(2)}, wait;dur=${waitMs.toFixed(2)}, ${total}`;
  }
  return headers;
}
