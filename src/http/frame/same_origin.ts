/**
 * Protects instances without tokens: only programs of this machine and pages of this instance may call. A browser on
 * this machine also runs pages of other sites, which can reach a loopback address by a form, by `fetch`, or by a host
 * name that resolves to it (DNS rebinding).
 */
import type { Context, MiddlewareHandler } from "hono";
import type { Config } from "../../config/config.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { AppEnv } from "./deps.ts";

/** `localhost` and all below it never leave the machine (RFC 6761, section 6.3). */
const LOOPBACK = /^(localhost|([a-z0-9-]+\.)+localhost|127(\.\d{1,3}){3}|\[::1\])$/;
/** `Host` (RFC 9110, section 7.2), in lower case. */
const HOST = /^(\[[0-9a-f:.]+\]|[^:@/?#[\]\s]+)(?::\d*)?$/;

/** Paths for any `Host`: orchestrators use various names, and the answers only say whether the process is well. */
const PROBES: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

/**
 * A middleware for instances without tokens. It refuses requests whose `Host` is neither this machine nor one of
 * `allowedHosts`, and requests of pages of another origin than those in `corsOrigins`. The port in `Host` is ignored:
 * it may be that of a tunnel, and a page of another port has another `Origin`.
 */
export function sameOriginOnly(
  config: Pick<Config, "apiTokens" | "allowedHosts" | "corsOrigins">,
): MiddlewareHandler<AppEnv> {
  const { apiTokens, corsOrigins } = config;
  const allowedHosts = new Set(config.allowedHosts.map((name) => name.toLowerCase()));
  if (apiTokens.length > 0) {
    return function open(_c, next) {
      return next();
    };
  }
  return function checkOrigin(c, next) {
    if (PROBES.has(c.req.path)) return next();
    const host = (c.req.header("host") ?? new URL(c.req.url).host).toLowerCase();
    const name = HOST.exec(host)?.[1] ?? "";
    if (!LOOPBACK.test(name) && !allowedHosts.has(name)) {
      throw new MillraceError(
        "host_not_allowed",
        "Without API_TOKENS this instance answers under the names of its own machine and those in ALLOWED_HOSTS",
      );
    }
    const origin = c.req.header("origin");
    const isListed = corsOrigins.includes("*") || (origin !== undefined && corsOrigins.includes(origin));
    if (!isListed && !isOwn(host, origin, c.req.header("sec-fetch-site"))) {
      throw new MillraceError("origin_not_allowed", "Without API_TOKENS pages of another origin may not call this");
    }
    return next();
  };
}

/**
 * Refuses requests of pages of an origin that is neither this instance's nor in `corsOrigins`, with or without tokens:
 * for WebSockets, which browsers let any page open (RFC 6455, section 10.2).
 *
 * @throws {MillraceError} `origin_not_allowed`
 */
export function checkPage(c: Context<AppEnv>, corsOrigins: readonly string[]): void {
  const origin = c.req.header("origin");
  if (origin === undefined || corsOrigins.includes("*") || corsOrigins.includes(origin)) return;
  const host = (c.req.header("host") ?? new URL(c.req.url).host).toLowerCase();
  if (isOwn(host, origin, undefined)) return;
  throw new MillraceError("origin_not_allowed", "Pages of another origin may not open this: CORS_ORIGINS may name it");
}

/**
 * False for a request that a browser sent for a page of another origin, by `Sec-Fetch-Site` (Fetch Metadata, section
 * 2.4) or else `Origin`. `none` means that the user made the request, such as by the address bar.
 */
export function isOwn(host: string, origin: string | undefined, site: string | undefined): boolean {
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}
