/**
 * Verifies signatures of webhooks; imported keys are cached.
 */
import { LRUCache } from "lru-cache";
import { decodeCanonicalBase64 } from "../../../lib/base64.ts";

/** Hash functions of an HMAC, by their names in Web Crypto. */
export type HashName = "SHA-1" | "SHA-256" | "SHA-512";

/** The most imported keys that are cached. */
const KEYS = 1000;

const encoder = new TextEncoder();
const keys = new LRUCache<string, Promise<CryptoKey>>({ max: KEYS });

/**
 * Whether `signature` is the HMAC (RFC 2104) of `content` under the secret; compared by Web Crypto, in constant time.
 */
export async function verifyHmac(
  secret: Uint8Array<ArrayBuffer>,
  options: { hash: HashName; signature: Uint8Array<ArrayBuffer>; content: Uint8Array<ArrayBuffer> },
): Promise<boolean> {
  const { hash, signature, content } = options;
  // Web Crypto refuses an empty key.
  if (secret.length === 0) return false;
  const key = await imported(
    `${hash} ${secret}`,
    () => crypto.subtle.importKey("raw", secret, { name: "HMAC", hash }, false, ["verify"]),
  );
  return await crypto.subtle.verify("HMAC", key, signature, content);
}

/** Whether `signature` is the Ed25519 signature (RFC 8032) of `content` by the holder of the public key. */
export async function verifyEd25519(
  publicKey: Uint8Array<ArrayBuffer>,
  options: { signature: Uint8Array<ArrayBuffer>; content: Uint8Array<ArrayBuffer> },
): Promise<boolean> {
  const { signature, content } = options;
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = await imported(
    `Ed25519 ${publicKey}`,
    () => crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]),
  );
  return await crypto.subtle.verify("Ed25519", key, signature, content);
}

/** The bytes of a text, as UTF-8. */
export function textBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Concatenates texts, as UTF-8, and bytes. */
export function joined(...parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const all = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const bytes = new Uint8Array(all.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Decodes a signature in canonical form, lower-case hex or padded base64; `undefined` for any other text. */
export function signatureBytes(text: string, encoding: "hex" | "base64"): Uint8Array<ArrayBuffer> | undefined {
  if (encoding === "hex") {
    if (!/^(?:[0-9a-f]{2})+$/.test(text)) return undefined;
    return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  }
  return decodeCanonicalBase64(text);
}

function imported(name: string, importKey: () => Promise<CryptoKey>): Promise<CryptoKey> {
  let key = keys.get(name);
  if (key === undefined) {
    key = importKey();
    key.catch(() => keys.delete(name));
    keys.set(name, key);
  }
  return key;
}
