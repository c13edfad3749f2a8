/**
 * Bearer tokens (RFC 6750) for the API.
 */
import type { MiddlewareHandler } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import type { AppEnv } from "./deps.ts";

/**
 * A middleware that lets only those pass who send one of the tokens as `Authorization: Bearer <token>`. With no
 * tokens everyone passes: the server then binds to loopback only.
 *
 * What is compared are SHA-256 digests, all of them and to their last byte, so the time it takes tells nothing of
 * how much of a token was right.
 */
export function bearerAuth(tokens: readonly string[]): MiddlewareHandler<AppEnv> {
  const check = tokenCheck(tokens);
  return async function authenticate(c, next) {
    const found = await check(c.req.header("authorization") ?? offeredToken(c.req.header("sec-websocket-protocol")));
    if (found === "none") throw unauthorized("Bearer", "This call needs an Authorization header with a Bearer token");
    if (found === "wrong") throw unauthorized('Bearer error="invalid_token"', "The Bearer token is not accepted");
    await next();
  };
}

/**
 * The token among the subprotocols that a WebSocket offers, as the header that browsers let no page set with one:
 * `bearer.<the token in base64url>`, beside the subprotocol that is to be spoken.
 */
function offeredToken(protocols: string | undefined): string | undefined {
  const [, encoded] = /(?:^|,)\s*bearer\.([\w-]{1,2048})\s*(?:,|$)/.exec(protocols ?? "") ?? [];
  if (encoded === undefined) return undefined;
  try {
    return `Bearer ${atob(encoded.replaceAll("-", "+").replaceAll("_", "/"))}`;
  } catch {
    return undefined;
  }
}

/** Makes a function that says what an `Authorization` header holds; with no tokens everyone is accepted. */
export function tokenCheck(
  tokens: readonly string[],
): (header: string | undefined) => Promise<"accepted" | "wrong" | "none"> {
  let accepted: Promise<Uint8Array[]> | undefined;
  return async function check(header) {
    if (tokens.length === 0) return "accepted";
    const [, token] = /^Bearer +([\w.~+/-]+=*) *$/i.exec(header ?? "") ?? [];
    if (token === undefined) return "none";
    accepted ??= Promise.all(tokens.map(digest));
    const sent = await digest(token);
    let matches = 0;
    for (const expected of await accepted) matches |= equal(expected, sent);
    return matches === 0 ? "wrong" : "accepted";
  };
}

async function digest(token: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
}

/** 1 if equal, else 0, without an early exit. */
function equal(a: Uint8Array, b: Uint8Array): number {
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ b[at]!;
  return difference === 0 ? 1 : 0;
}

function unauthorized(challenge: string, message: string): MillraceError {
  return new MillraceError("unauthorized", message, { headers: { "www-authenticate": challenge } });
}
