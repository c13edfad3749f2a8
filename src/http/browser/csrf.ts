/**
 * Protects browser sessions from requests of other sites: by the origin that browsers send, and by a token for browsers
 * that send none.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { isOwn } from "../frame/same_origin.ts";

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Throws `origin_not_allowed` for a request with an unsafe method from a page of another origin, unless `origins` has
 * it. A request with neither `Sec-Fetch-Site` (Fetch Metadata, section 2.4) nor `Origin` needs the token of its
 * session, if it has one.
 */
export async function guardOrigin(
  c: Context,
  { origins, hasSession, isToken }: {
    origins: readonly string[];
    hasSession: boolean;
    isToken: (token: string) => Promise<boolean>;
  },
): Promise<void> {
  if (SAFE.has(c.req.method)) return;
  const [origin, site] = [c.req.header("origin"), c.req.header("sec-fetch-site")];
  if (origin !== undefined && origins.includes(origin)) return;
  const host = (c.req.header("host") ?? new URL(c.req.url).host).toLowerCase();
  if (!isOwn(host, origin, site)) {
    throw new MillraceError("origin_not_allowed", "Pages of another origin may not do this in a session");
  }
  if (origin !== undefined || site !== undefined || !hasSession) return;
  if (await isToken(c.req.header("x-csrf-token") ?? "")) return;
  throw new MillraceError("origin_not_allowed", "Without Origin and Sec-Fetch-Site this needs a right X-CSRF-Token");
}
