/**
 * Entity tags of versioned documents, and the conditions that requests put on them (RFC 9110, sections 8.8 and 13).
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
 * Makes the one guard that a store understands of an `If-Match` header; `undefined` without one. Of several tags the
 * current version's is chosen, and the store then makes sure that it is still the current one.
 *
 * Weak tags count too, though section 13.1.1 has strong comparison: proxies that compress make ours weak.
 *
 * @throws {MillraceError} `version_mismatch` when no tag can be right, `invalid_parameter` when they cannot be read
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

/** The guards of a PUT: `If-Match`, and `If-None-Match`, of which only `*` is left for the store to hold. */
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
