/**
 * Parses `Cache-Control` (RFC 9111, section 5.2).
 *
 * @example
 * ```ts
 * parseCacheControl("max-age=60, no-cache").maxAge; // 60
 * ```
 */

/** The directives that this cache follows. Times are seconds. */
export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly isPrivate: boolean;
  readonly isPublic: boolean;
  readonly mustRevalidate: boolean;
  /** What `must-revalidate` is, for shared caches alone (section 5.2.2.8); unlike that, it permits nothing. */
  readonly proxyRevalidate: boolean;
  readonly maxAge: number | undefined;
  readonly sMaxAge: number | undefined;
  /** RFC 5861, section 3. */
  readonly staleWhileRevalidate: number | undefined;
  /** A directive of requests; `Infinity` when it has no value. */
  readonly maxStale: number | undefined;
  readonly minFresh: number | undefined;
}

/** Larger numbers of seconds are read as this one (RFC 9111, section 1.2.2). */
const MAX_SECONDS = 2 ** 31;

/** A directive: a token, and an argument that is a token or a quoted string (section 5.2). */
const DIRECTIVE = /([\w!#$%&'*+.^`|~-]+)(?:=("(?:[^"\\]|\\.)*"|[^\s,;"]*))?/g;

/**
 * Parses a field. Names are case-insensitive; unknown directives are ignored (section 5.2.3). A time that is twice given
 * or no number counts as 0, which makes the response stale (section 4.2.1).
 */
export function parseCacheControl(field: string | null | undefined): CacheControl {
  const found = new Map<string, string[]>();
  for (const [, name = "", argument = ""] of (field ?? "").matchAll(DIRECTIVE)) {
    const key = name.toLowerCase();
    found.set(key, [...found.get(key) ?? [], argument.replace(/^"(.*)"$/s, "$1")]);
  }
  const seconds = (name: string): number | undefined => {
    const values = found.get(name);
    if (values === undefined) return undefined;
    const [first = ""] = values;
    return values.length === 1 && /^\d+$/.test(first) ? Math.min(Number(first), MAX_SECONDS) : 0;
  };
  const maxStale = found.get("max-stale");
  return {
    noStore: found.has("no-store"),
    // With field names, no-cache and private allow the response without these fields (5.2.2.4, 5.2.2.7). The names are
    // ignored here: nothing of the response is stored.
    noCache: found.has("no-cache"),
    isPrivate: found.has("private"),
    isPublic: found.has("public"),
    mustRevalidate: found.has("must-revalidate"),
    proxyRevalidate: found.has("proxy-revalidate"),
    maxAge: seconds("max-age"),
    sMaxAge: seconds("s-maxage"),
    staleWhileRevalidate: seconds("stale-while-revalidate"),
    maxStale: maxStale?.[0] === "" ? Infinity : seconds("max-stale"),
    minFresh: seconds("min-fresh"),
  };
}
