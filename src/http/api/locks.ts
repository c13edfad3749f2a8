/**
 * `/api/locks/<name>`: named locks for programs that use HTTP instead of the library.
 *
 * The holder sends its token in the header `Lock-Token`, as in WebDAV (RFC 4918, section 10.5). Only the answer that
 * grants a lock contains the token.
 */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { MillraceError } from "../../lib/errors.ts";
import { checkLockName, checkOwner, TTL_MS } from "../../locks/lock_rules.ts";
import type { LockState } from "../../locks/lock_store.ts";
import { readChecked } from "../frame/checked_body.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { resource } from "../frame/resource.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";

const HEADER = "lock-token";
/** How long a lock is held without a renewal, and the longest that may be waited for one, in milliseconds. */
const DEFAULT_TTL_MS = 300_000;
const MAX_WAIT_MS = 300_000;
/** Added to the longest wait, in milliseconds, as the deadline of the call: the wait for the lock ends before it. */
const LATE_MS = 60_000;

const ttlMs = z.number().int().min(TTL_MS.min).max(TTL_MS.max).default(DEFAULT_TTL_MS);

const LOCKING = z.strictObject({
  owner: z.string().refine((owner) => checkOwner(owner) === undefined, "Expected 1 to 256 printable characters"),
  mode: z.enum(["exclusive", "shared"]).default("exclusive"),
  ttlMs,
  waitMs: z.number().int().min(0).max(MAX_WAIT_MS).default(0),
  steal: z.boolean().default(false),
}).refine(({ steal, mode }) => !steal || mode === "exclusive", {
  path: ["steal"],
  message: "Only an exclusive lock can be stolen",
});

const RENEWING = z.strictObject({ ttlMs });

/** Adds the resource to the app. */
export function locks(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  resource(app, "/api/locks/:name", {
    GET: (c) => inspectLock(c, deps),
    POST: (c) => takeLock(c, deps, bodies),
    PUT: (c) => renewLock(c, deps, bodies),
    DELETE: (c) => releaseLock(c, deps),
  });
}

async function inspectLock(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  return c.json(await store.locks.inspect(nameParameter(c)));
}

async function takeLock(c: Context<AppEnv>, deps: AppDeps, bodies: BodyBudget): Promise<Response> {
  const { store } = deps;
  const name = nameParameter(c);
  const request = await readChecked(c, LOCKING, { deps, bodies, action: "lock" });
  const waiting = store.replies.follow({ timeoutMs: MAX_WAIT_MS + LATE_MS, signal: c.req.raw.signal });
  try {
    const { token, fence, expiresAt } = await store.locks.acquire({ name, ...request }, { signal: waiting.signal }) ??
      refuse(await store.locks.inspect(name));
    // The caller has disconnected and could not release it.
    if (waiting.interrupted === "caller gone") await store.locks.release(name, token);
    const location = `/api/locks/${encodeURIComponent(name)}`;
    return c.json({ name, token, fence, expiresAt }, 201, { [HEADER]: token, location });
  } catch (error) {
    if (waiting.interrupted === undefined || error instanceof MillraceError) throw error;
    throw new MillraceError("shutting_down", "This instance is shutting down", { headers: { "retry-after": "1" } });
  } finally {
    waiting.end();
  }
}

async function renewLock(c: Context<AppEnv>, deps: AppDeps, bodies: BodyBudget): Promise<Response> {
  const name = nameParameter(c);
  const token = tokenHeader(c);
  const { ttlMs } = await readChecked(c, RENEWING, { deps, bodies, action: "lock" });
  const grant = await deps.store.locks.renew(name, { token, ttlMs });
  if (grant === undefined) throw notHeld(name);
  return c.json({ name, fence: grant.fence, expiresAt: grant.expiresAt });
}

async function releaseLock(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const name = nameParameter(c);
  if (!await store.locks.release(name, tokenHeader(c))) throw notHeld(name);
  return c.body(null, 204);
}

/** Throws `locked`, which names the holder and the rest of its lease. */
function refuse({ name, holders, waiting }: LockState): never {
  const remainingMs = Math.max(0, ...holders.map((holder) => holder.remainingMs));
  throw new MillraceError("locked", `The lock "${name}" is held`, {
    extensions: { holder: holders[0] ?? null, holders, remainingMs, waiting },
    headers: { "retry-after": String(Math.max(1, Math.ceil(remainingMs / 1000))) },
  });
}

function notHeld(name: string): MillraceError {
  return new MillraceError("lock_not_held", `The token holds no lock "${name}": it lapsed, was released or stolen`);
}

function nameParameter(c: Context<AppEnv>): string {
  const name = c.req.param("name") ?? "";
  const fault = checkLockName(name);
  if (fault === undefined) return name;
  throw new MillraceError("invalid_parameter", `Cannot lock "${name}": ${fault}`, {
    extensions: { parameter: "name" },
  });
}

function tokenHeader(c: Context<AppEnv>): string {
  const token = c.req.header(HEADER) ?? "";
  if (/^[\x21-\x7e]{1,100}$/.test(token)) return token;
  throw new MillraceError("invalid_parameter", "Expected the token of the holder as Lock-Token", {
    extensions: { parameter: HEADER },
  });
}
