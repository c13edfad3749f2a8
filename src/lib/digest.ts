/**
 * SHA-256 digests (FIPS 180-4) by Web Crypto, and comparisons whose time says nothing of what is compared.
 */

const encoder = new TextEncoder();

/** The digest of bytes, or of a text as UTF-8: 32 bytes. */
export async function sha256(content: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = typeof content === "string" ? encoder.encode(content) : content;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Whether two digests of one length are equal, without an early exit. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ b[at]!;
  return difference === 0;
}

/** Whether two texts are the same, in a time that tells nothing of how much of them is: their digests are compared. */
export async function sameText(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([sha256(a), sha256(b)]);
  return sameDigest(first, second);
}
