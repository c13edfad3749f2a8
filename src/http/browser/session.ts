/**
 * Browser sessions for any Hono app: a signed cookie with the id of a session in a store of Millrace.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createMemoryStore } from "millrace/memory"; // or openRedisStore, from "millrace/redis"
 * import { session, type SessionEnv } from "millrace/session";
 *
 * const store = createMemoryStore({ instance: "web-1" });
 * const app = new Hono<SessionEnv>();
 * app.use(session({ store: store.sessions, secrets: [process.env.SESSION_SECRET!] }));
 * app.post("/login", (c) => {
 *   c.var.session.rotate();
 *   c.var.session.set("user", "alice");
 *   return c.redirect("/");
 * });
 * app.get("/", (c) => c.text(`Hello ${c.var.session.get("user") ?? "stranger"}`));
 * ```
 */
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getSignedCookie, setSignedCookie } from "hono/cookie";
import { HTTPException } from "hono/http-exception";
import { decodeBase64Url, encodeBase64Url } from "../../lib/base64.ts";
import { Sessions, type SessionsOptions } from "../../sessions/sessions.ts";
import { problemResponse } from "../protocol/problem.ts";
import { BrowserSession, storedId } from "./browser_session.ts";
import { guardOrigin } from "./csrf.ts";

/** Options of {@linkcode session}, besides those of {@linkcode Sessions}. */
export interface SessionOptions extends SessionsOptions {
  /** Secrets of at least 32 characters. The first one signs, all verify, so that they can be rotated. */
  readonly secrets: readonly string[];
  /**
   * Name of the cookie; default `session`. A secure one gets the prefix `__Host-`, so that no other host can set it.
   */
  readonly cookieName?: string;
  /** Whether the cookie has `Secure`; default true. Set false for plain HTTP on hosts other than localhost. */
  readonly secure?: boolean;
  /** The cookie's `SameSite`; default `Lax`. */
  readonly sameSite?: "Strict" | "Lax" | "None";
  /** Other origins whose pages may send unsafe methods, such as `https://app.example.com`; default none. */
  readonly origins?: readonly string[];
}

/** Hono's environment where {@linkcode session} is in use. */
export interface SessionEnv {
  Variables: { session: BrowserSession };
}

const MIN_SECRET_LENGTH = 32;

/**
 * A middleware that gives each request the session of its browser, as `c.var.session`. It stores nothing and sets no
 * cookie until something is set. The cookie is signed, HttpOnly and lives as long as the session, from each use on.
 *
 * Requests that may change something are refused (403) when a page of another origin sent them; errors are problem
 * documents (RFC 9457), 503 while the store is away.
 *
 * @param options.ttlSeconds the life of a session from each use on, a day by default
 * @throws {TypeError} without a secret that is long enough
 */
export function session(options: SessionOptions): MiddlewareHandler<SessionEnv> {
  const { secrets, cookieName = "session", secure = true, sameSite = "Lax", origins = [] } = options;
  const { ttlSeconds = 86_400 } = options;
  if (secrets.length === 0 || secrets.some((secret) => secret.length < MIN_SECRET_LENGTH)) {
    throw new TypeError(`Expected one secret or more, of at least ${MIN_SECRET_LENGTH} characters each`);
  }
  const sessions = new Sessions({ ...options, ttlSeconds });
  const [secret] = secrets as [string];
  const cookie = { path: "/", httpOnly: true, secure, sameSite, ...(secure && { prefix: "host" as const }) };

  async function readId(c: Context): Promise<string | undefined> {
    for (const secret of secrets) {
      const id = await getSignedCookie(c, secret, cookieName, secure ? "host" : undefined);
      if (typeof id === "string" && ID.test(id)) return id;
    }
    return undefined;
  }

  async function open(c: Context<SessionEnv>): Promise<BrowserSession> {
    const id = await readId(c);
    await guardOrigin(c, {
      origins,
      hasSession: id !== undefined,
      isToken: async (token) => {
        for (const secret of secrets) if (await isTokenOf(secret, id!, token)) return true;
        return false;
      },
    });
    const found = id === undefined ? undefined : await sessions.get(storedId(id));
    return new BrowserSession({
      sessions,
      ttlSeconds,
      csrfToken: (id) => tokenOf(secret, id),
      found: found && { id: id!, session: found },
    });
  }

  async function close(c: Context<SessionEnv>, session: BrowserSession, hadCookie: boolean): Promise<void> {
    // The changes of a failed request are not stored.
    if (c.error !== undefined) return;
    await session.save();
    // Where another request has ended the session, its answer alone says what the cookie is: it may have come before.
    if (session.id !== undefined) {
      await setSignedCookie(c, cookieName, session.id, secret, { ...cookie, maxAge: ttlSeconds });
    } else if (hadCookie && session.wasDestroyed) deleteCookie(c, cookieName, cookie);
  }

  return async function withSession(c, next) {
    const session = await orProblem(() => open(c));
    const hadCookie = !session.isNew;
    c.set("session", session);
    await next();
    await orProblem(() => close(c, session, hadCookie));
  };
}

/** The form of the ids that {@linkcode BrowserSession} makes. */
const ID = /^[\w-]{32}$/;

async function orProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const res = problemResponse(error);
    throw new HTTPException(res.status as 500, { res, cause: error });
  }
}

const encoder = new TextEncoder();

async function tokenOf(secret: string, id: string): Promise<string> {
  return encodeBase64Url(
    new Uint8Array(await crypto.subtle.sign("HMAC", await macKey(secret), encoder.encode(`csrf:${id}`))),
  );
}

/** Compares in constant time. */
async function isTokenOf(secret: string, id: string, token: string): Promise<boolean> {
  if (!/^[\w-]{43}$/.test(token)) return false;
  const sent = decodeBase64Url(token);
  return await crypto.subtle.verify("HMAC", await macKey(secret), sent, encoder.encode(`csrf:${id}`));
}

async function macKey(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign", "verify"]);
}
