/**
 * Bearer tokens (RFC 6750) of the API and their scopes.
 */
import type { MiddlewareHandler } from "hono";
import type { ApiToken, Scope } from "../../config/api_tokens.ts";
import { decodeBase64Url } from "../../lib/base64.ts";
import { sameDigest, sha256 } from "../../lib/digest.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { AppEnv } from "./deps.ts";
import { neededScope } from "./scopes.ts";

/** The caller: the name and scopes of its token. */
export type Caller = Pick<ApiToken, "name" | "scopes">;

/** The caller while no tokens are configured. */
const ANYONE: Caller = { scopes: new Set<Scope>(["admin"]) };

/**
 * A middleware that requires `Authorization: Bearer <token>` with a token whose scopes allow the route (`scopes.ts`).
 * Without configured tokens every request passes: the server then binds to loopback only.
 *
 * SHA-256 digests are compared, with every token and to the last byte, so the time does not tell how much of a token
 * was right.
 */
export function bearerAuth(tokens: readonly ApiToken[]): MiddlewareHandler<AppEnv> {
  const check = tokenCheck(tokens);
  return async function authenticate(c, next) {
    const found = await check(c.req.header("authorization") ?? offeredToken(c.req.header("sec-websocket-protocol")));
    if (found === "none") throw unauthorized("Bearer", "This call needs an Authorization header with a Bearer token");
    if (found === "wrong") throw unauthorized('Bearer error="invalid_token"', "The Bearer token is not accepted");
    if (found.name !== undefined) c.set("token", found.name);
    const scope = neededScope(c);
    if (scope !== undefined && !found.scopes.has(scope) && !found.scopes.has("admin")) throw insufficient(scope);
    await next();
  };
}

/**
 * The token among the subprotocols that a WebSocket offers, as the value of `Authorization`, which browsers do not let
 * pages set: `bearer.<the token in base64url>`, offered beside the subprotocol to be used.
 */
function offeredToken(protocols: string | undefined): string | undefined {
  const [, encoded] = /(?:^|,)\s*bearer\.([\w-]{1,2048})\s*(?:,|$)/.exec(protocols ?? "") ?? [];
  if (encoded === undefined) return undefined;
  try {
    return `Bearer ${String.fromCharCode(...decodeBase64Url(encoded))}`;
  } catch {
    return undefined;
  }
}

/** Makes a function that finds the caller by its `Authorization` header. Without tokens every caller has all scopes. */
export function tokenCheck(
  tokens: readonly ApiToken[],
): (header: string | undefined) => Promise<Caller | "wrong" | "none"> {
  let accepted: Promise<{ caller: Caller; expected: Uint8Array }[]> | undefined;
  return async function check(header) {
    if (tokens.length === 0) return ANYONE;
    const [, token] = /^Bearer +([\w.~+/-]+=*) *$/i.exec(header ?? "") ?? [];
    if (token === undefined) return "none";
    accepted ??= Promise.all(tokens.map(async (caller) => ({ caller, expected: await sha256(caller.token) })));
    const sent = await sha256(token);
    let found: Caller | "wrong" = "wrong";
    for (const { caller, expected } of await accepted) if (sameDigest(expected, sent)) found = caller;
    return found;
  };
}

function unauthorized(challenge: string, message: string): MillraceError {
  return new MillraceError("unauthorized", message, { headers: { "www-authenticate": challenge } });
}

/** RFC 6750, section 3.1. */
function insufficient(scope: Scope): MillraceError {
  const scopes = scope === "admin" ? scope : `${scope}, or admin`;
  return new MillraceError("insufficient_scope", `This call needs a token with the scope ${scopes}`, {
    headers: { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` },
  });
}
