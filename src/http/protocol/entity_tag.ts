/**
 * Entity tags of versioned documents, and conditional requests (RFC 9110, sections 8.8 and 13).
 */
import { MillraceError } from "../../lib/errors.ts";

/** The entity tag of a version. */
export function etag(version: number): string {
  return `"${version}"`;
}

/** True when `If-None-Match` names this version, or `*` (section 13.1.2, weak comparison). */
export function matchesIfNoneMatch(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  return header.trim() === "*" || parseTags(header, "If-None-Match").includes(String(version));
}

/**
 * Converts an `If-Match` header to the guard of a store; `undefined` without one. Of several tags that of the current
 * version is chosen; the store then checks that it still is the current one.
 *
 * Weak tags match too, although section 13.1.1 demands strong comparison, since proxies that compress make tags weak.
 *
 * @throws {MillraceError} `version_mismatch` when no tag matches, `invalid_parameter` when the header is malformed
 */
export async function evaluateIfMatch(
  header: string | undefined,
  readCurrent: () => Promise<number | undefined>,
): Promise<number | "*" | undefined> {
  if (header === undefined) return undefined;
  if (header.trim() === "*") return "*";
  const tags = parseTags(header, "If-Match");
  const versions = tags.filter((tag) => /^[1-9]\d{0,15}$/.test(tag)).map(Number);
  if (versions.length === 1) return versions[0];
  const current = versions.length === 0 ? undefined : await readCurrent();
  if (current !== undefined && versions.includes(current)) return current;
  throw new MillraceError("version_mismatch", `If-Match does not name the current version: received ${header}`, {
    ...(current !== undefined && { extensions: { version: current } }),
  });
}

/** The guards of a PUT by `If-Match` and `If-None-Match`. The store checks `*`; other tags are compared here. */
export async function evaluateGuards(
  headers: Headers,
  readCurrent: () => Promise<number | undefined>,
): Promise<{ ifMatch?: number | "*"; ifNoneMatch?: "*" }> {
  const ifMatch = await evaluateIfMatch(headers.get("if-match") ?? undefined, readCurrent);
  const noneMatch = headers.get("if-none-match")?.trim();
  if (noneMatch !== undefined && noneMatch !== "*") {
    const current = await readCurrent();
    if (current !== undefined && matchesIfNoneMatch(noneMatch, current)) {
      throw new MillraceError("version_mismatch", `If-None-Match names the current version, ${current}`, {
        extensions: { version: current },
      });
    }
  }
  return { ...(ifMatch !== undefined && { ifMatch }), ...(noneMatch === "*" && { ifNoneMatch: "*" }) };
}

function parseTags(header: string, name: string): string[] {
  return header.split(",").map((text) => {
    const tag = /^\s*(?:W\/)?"([\x21\x23-\x7e]*)"\s*$/.exec(text)?.[1];
    if (tag !== undefined) return tag;
    throw new MillraceError("invalid_parameter", `Expected quoted entity tags in ${name}: received ${text.trim()}`);
  });
}
