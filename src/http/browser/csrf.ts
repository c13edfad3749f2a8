/**
 * Keeps pages of other sites from using a browser's session: by what browsers say of where a request comes from, and by a
 * token for those that say nothing.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { isOwn } from "../frame/same_origin.ts";

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Throws `origin_not_allowed` for a request that may change something and that a page of another origin has sent, unless
 * its origin is one of `origins`. A browser that names neither `Sec-Fetch-Site` (Fetch Metadata, section 2.4) nor `Origin`
 * needs the right token where it has a session.
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
