/**
 * Webhooks whose answers are kept: `settings.cache`.
 *
 * The key is a digest of the workflow's version, the method, the path, the query, the body, the headers that the
 * workflow names, and two kinds that are always part of it, by their values: `Content-Type`, by which the body is read,
 * and credentials and signatures, so that no caller gets an answer that was made for another.
 */
import { cacheStatus } from "../../caches/cache_status.ts";
import { requestUnder } from "../../caches/call_key.ts";
import type { Caches } from "../../caches/caches.ts";
import { isCredentialHeader } from "../../lib/credentials.ts";
import type { CompiledWorkflow } from "../../workflow/definition.ts";
import type { Reply } from "../../execution/replies.ts";
import type { WebhookMatch } from "../../workflow/webhook_matcher.ts";
import type { AppDeps } from "../frame/deps.ts";
import { setHeaders } from "../frame/frame.ts";
import { respond, shownTo } from "./respond.ts";

const encoder = new TextEncoder();

/** A call whose answer may be kept. */
export interface CachedCall {
  readonly request: Request;
  /** Path and query, as sent. */
  readonly path: string;
  readonly query: string;
  readonly body: Uint8Array;
  readonly match: WebhookMatch;
}

/** Options of {@linkcode answerCached}. */
export interface CachedCallOptions {
  /** Runs the workflow. */
  readonly start: (body: Uint8Array) => Promise<Partial<Reply>>;
  /** How long this caller may wait for the answer to another, in milliseconds; then its own call starts the workflow. */
  readonly waitMs: number;
  /** The headers that this caller's response has besides the workflow's own. */
  readonly headers: () => Readonly<Record<string, string>>;
}

/** The caches, for a workflow that uses them. */
export function cachesOf({ caches }: AppDeps, { definition }: CompiledWorkflow): Caches | undefined {
  return definition.settings.cache === undefined ? undefined : caches;
}

/**
 * Answers from the cache, or runs the workflow, once for all equal calls at the same time. Failures, and answers that
 * must not be stored, are not cached.
 *
 * @returns the response; or the reply without a response when the wait ended before
 */
export async function answerCached(
  caches: Caches,
  call: CachedCall,
  { start, waitMs, headers: ownHeaders }: CachedCallOptions,
): Promise<Partial<Reply> & { response?: Response }> {
  const { request: { headers }, match: { workflow, webhook } } = call;
  const { ttlSeconds } = workflow.definition.settings.cache!;
  const request = await requestUnder(keyOf(call), headers);
  let unanswered: Partial<Reply> | undefined;
  const load = async () => {
    const reply = await start(call.body);
    if (reply.result) return respond(shownTo(webhook, reply.result), {});
    unanswered = reply;
    throw UNANSWERED;
  };
  try {
    const options = { request, load, defaultLifetime: ttlSeconds, waitMs };
    const answer = await caches.respond(`webhook:${workflow.id}`, options);
    const { status, headers: given, body } = answer.response;
    const own = new Headers(given);
    setHeaders(own, ownHeaders());
    own.set("cache-status", cacheStatus(answer.status));
    return { response: new Response(body, { status, headers: own }) };
  } catch (error) {
    if (error === UNANSWERED && unanswered !== undefined) return unanswered;
    throw error;
  }
}

/** The error of a call that ended before the workflow answered. */
const UNANSWERED = new Error("The wait ended without an answer");

function keyOf({ request, path, query, body, match: { workflow } }: CachedCall): Uint8Array<ArrayBuffer> {
  const { key = [] } = workflow.definition.settings.cache!;
  const chosen = new Set(["content-type", ...key.map((name) => name.toLowerCase())]);
  // `Headers` gives names in lower case and in order.
  const headers = [...request.headers].filter(([name]) => chosen.has(name) || isCredentialHeader(name));
  const head = encoder.encode(`${JSON.stringify([workflow.version, request.method, path, query, headers])}\n`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
