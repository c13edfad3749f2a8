/**
 * Keys of cached calls that are told apart by more than their URL.
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
 * Makes the request under which the answer to a call is stored.
 *
 * @param key identifies the call, the values of its credentials included; its SHA-256 digest becomes the URL
 * @param headers of the call. Credentials among them are left out, since they are part of the key and would keep the
 * answer from being stored (RFC 9111, section 3.5).
 */
export async function requestUnder(key: string | Uint8Array<ArrayBuffer>, headers: Headers): Promise<Request> {
  const digest = encodeBase64Url(await sha256(key));
  const plain = [...headers].filter(([name]) => !isCredentialHeader(name));
  return new Request(`https://call.invalid/${digest}`, { headers: plain });
}
