/**
 * `Vary` (RFC 9111, section 4.1): records the request's fields that a response varies by, and compares them.
 *
 * Values of credentials are stored as digests, so they can be compared and not read.
 *
 * @example
 * ```ts
 * const vary = await varyOf(request.headers, response.headers);
 * await matchesVary(vary, other.headers);
 * ```
 */
import { encodeBase64 } from "../lib/base64.ts";
import { isCredentialHeader } from "../lib/credentials.ts";
import { sha256 } from "../lib/digest.ts";
import type { StoredResponse } from "./cache_store.ts";

/** The names in `Vary`, in lower case. */
export function varyNames(responseHeaders: Headers): string[] {
  const names = (responseHeaders.get("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  return [...new Set(names.filter((name) => name !== ""))].sort();
}

/** The values of the request's fields that the response varies by; `null` for fields that it does not have. */
export function varyOf(requestHeaders: Headers, responseHeaders: Headers): Promise<StoredResponse["vary"]> {
  return Promise.all(
    varyNames(responseHeaders).map(async (name) => [name, await valueOf(requestHeaders, name)] as const),
  );
}

/** True when a request has the same values of these fields. */
export async function matchesVary(vary: StoredResponse["vary"], requestHeaders: Headers): Promise<boolean> {
  for (const [name, value] of vary) if (await valueOf(requestHeaders, name) !== value) return false;
  return true;
}

async function valueOf(headers: Headers, name: string): Promise<string | null> {
  // `get` throws for an invalid field name, which no request can have.
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return null;
  const value = headers.get(name);
  if (value === null || !isCredentialHeader(name)) return value;
  return `sha-256 ${encodeBase64(await sha256(value))}`;
}
