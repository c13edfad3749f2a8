/**
 * Encryption at rest: AES-256-GCM by Web Crypto, with keys that can be rotated.
 *
 * A sealed value reads `<key id>.<base64 of IV and ciphertext>`. The session's id and the part's pointer are associated
 * data, so a value that is moved to another session or another place cannot be opened.
 *
 * @example
 * ```ts
 * const parts = new SealedParts({ keys: [{ id: "k2", bytes }, { id: "k1", bytes: older }], pointers: ["/card"] });
 * ```
 */
import { decodeBase64, encodeBase64 } from "../lib/base64.ts";
import { MillraceError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { parsePointer } from "../lib/json_pointer.ts";

/** An encryption key. */
export interface EncryptionKey {
  /** Letters, digits, `_` and `-`: the prefix of values that the key has sealed. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Options of {@linkcode SealedParts}. */
export interface SealedPartsOptions {
  /** Values are sealed with the first key and opened with whichever of them sealed them. None: nothing is sealed. */
  readonly keys: readonly EncryptionKey[];
  /** JSON pointers (RFC 6901) of the parts, from the root of a session's data. */
  readonly pointers: readonly string[];
}

const ALGORITHM = "AES-GCM";
/** 96 bits: the size of a random IV by NIST SP 800-38D, section 8.2.2. */
const IV_BYTES = 12;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encrypts and decrypts chosen parts of sessions. */
export class SealedParts {
  /** Paths of the parts, as tokens; no path is inside another one. */
  readonly places: readonly (readonly string[])[];
  /** Identifies the set of paths: a session stored under another one is rewritten when it is next read or changed. */
  readonly name: string;
  readonly #keys: readonly EncryptionKey[];
  readonly #imported = new Map<string, Promise<CryptoKey>>();

  constructor({ keys, pointers }: SealedPartsOptions) {
    const outermost = [...new Set(pointers)].sort().filter((pointer, _at, all) =>
      !all.some((other) => pointer.startsWith(`${other}/`))
    );
    this.#keys = keys;
    this.places = keys.length === 0 ? [] : outermost.map((pointer) => parsePointer(pointer)!);
    this.name = keys.length === 0 ? "" : outermost.join(" ");
  }

  /** True for a value that was sealed with a key other than the first. */
  isOld(sealed: string): boolean {
    return keyIdOf(sealed) !== this.#keys[0]?.id;
  }

  /** Encrypts the value at `place` in the session `id`. */
  async seal(value: JsonValue, { id, place }: { id: string; place: readonly string[] }): Promise<string> {
    const key = this.#keys[0]!;
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const sealed = await crypto.subtle.encrypt(
      { name: ALGORITHM, iv, additionalData: associated(id, place) },
      await this.#import(key),
      encoder.encode(JSON.stringify(value)),
    );
    const bytes = new Uint8Array(IV_BYTES + sealed.byteLength);
    bytes.set(iv);
    bytes.set(new Uint8Array(sealed), IV_BYTES);
    return `${key.id}.${encodeBase64(bytes)}`;
  }

  /** Decrypts a value. Throws `session_unreadable` when its key is missing, or it was altered or moved. */
  async open(sealed: string, { id, place }: { id: string; place: readonly string[] }): Promise<JsonValue> {
    const keyId = keyIdOf(sealed);
    const key = this.#keys.find((key) => key.id === keyId);
    if (key === undefined) throw unreadable(`ENCRYPTION_KEYS has no key "${keyId}"`);
    try {
      const bytes = decodeBase64(sealed.slice(keyId.length + 1));
      const opened = await crypto.subtle.decrypt(
        { name: ALGORITHM, iv: bytes.subarray(0, IV_BYTES), additionalData: associated(id, place) },
        await this.#import(key),
        bytes.subarray(IV_BYTES),
      );
      return JSON.parse(decoder.decode(opened));
    } catch (error) {
      throw unreadable("it was changed, or sealed for another place or by another key of this name", error);
    }
  }

  #import(key: EncryptionKey): Promise<CryptoKey> {
    let imported = this.#imported.get(key.id);
    if (imported === undefined) {
      imported = crypto.subtle.importKey("raw", key.bytes, ALGORITHM, false, ["encrypt", "decrypt"]);
      this.#imported.set(key.id, imported);
    }
    return imported;
  }
}

function keyIdOf(sealed: string): string {
  return sealed.slice(0, Math.max(0, sealed.indexOf(".")));
}

function associated(id: string, place: readonly string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify([id, ...place]));
}

function unreadable(why: string, cause?: unknown): MillraceError {
  return new MillraceError("session_unreadable", `A sealed part of the session cannot be opened: ${why}`, { cause });
}
