/**
 * What the answer to a call is stored under, where more than a URL tells calls apart.
 *
 * @example
 * ```ts
 * const request = await requestUnder(JSON.stringify([method, url, headers]), headers);
 * await caches.respond("calls", { request, load, defaultLifetime: 60 });
 * ```
 */
import { encodeBase64Url } from "../lib/base64.ts";
import { isCredentialHeader } from "../lib/credentials.ts";
import { sha256 } from "../lib/digest.ts";

/**
 * A request for the caches.
 *
 * @param key tells the call from all others; its SHA-256 is the URL. Credentials belong in it, by their values.
 * @param headers of the call. Credentials among them are left out: they have done their part in the key, and would keep
 * the answer from being stored (RFC 9111, section 3.5).
 */
export async function requestUnder(key: string | Uint8Array<ArrayBuffer>, headers: Headers): Promise<Request> {
  const digest = encodeBase64Url(await sha256(key));
  const plain = [...headers].filter(([name]) => !isCredentialHeader(name));
  return new Request(`https://call.invalid/${digest}`, { headers: plain });
}
