/**
 * What a session is to those who use it: the document, what may be put, and the errors.
 */
import { type Fault, MillraceError } from "../lib/errors.ts";
import { isJsonObject, jsonEqual, type JsonValue } from "../lib/json.ts";
import { formatPointer } from "../lib/json_pointer.ts";
import { checkDocument } from "./document_check.ts";

/** How sessions are bounded by default. */
export const SESSION_DEFAULTS = {
  /** A day. */
  ttlSeconds: 86_400,
  /** How many bytes of JSON the data of one may have, in its stored form: 1 MiB. */
  limitBytes: 2 ** 20,
} as const;

/** The longest life of a session from a use on: a year. */
export const MAX_TTL_SECONDS = 31_536_000;

const encoder = new TextEncoder();

/** Whether a session can be called so: 1 to 256 characters of Unicode, none of them a control character. */
export function isSessionId(id: string): boolean {
  return id.length <= 256 && /^[^\p{Cc}\p{Cs}]+$/u.test(id);
}

/** A session. */
export interface Session {
  readonly id: string;
  readonly data: JsonValue;
  /** How long it lives from each use on. */
  readonly ttlSeconds: number;
  readonly version: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it ends unless it is used. */
  readonly expiresAt: number;
}

/** The members of a {@linkcode Session} that can be changed. */
export type SessionContent = Pick<Session, "data" | "ttlSeconds">;

/** What a request may ask of the session that is there (RFC 9110, section 13.1). */
export interface Guards {
  readonly ifMatch?: number | "*";
  readonly ifNoneMatch?: "*";
}

/** The members of the document that its owner sees, in their order. `expiresAt` is none: each read moves it. */
export function toDocument({ id, data, ttlSeconds, version, createdAt, updatedAt }: Omit<Session, "expiresAt">) {
  return { id, ttlSeconds, version, createdAt, updatedAt, data };
}

/** What stands in the document and is the store's own. */
const READ_ONLY = ["id", "version", "createdAt", "updatedAt"] as const;

/**
 * Reads what was put, or what a patch has made. Without `data` it is an empty object; without `ttlSeconds` the default.
 *
 * @param options.patched the document before the patch, whose read-only members must still be as they were; what was put
 * may have any of them, so that what was got can be put back, but no other id
 * @throws {MillraceError} `invalid_session`, with every fault by its pointer
 */
export function parseContent(
  value: JsonValue,
  options: { id: string; ttlSeconds: number; patched?: Readonly<Record<string, JsonValue>> },
): SessionContent {
  const { id, patched } = options;
  if (!isJsonObject(value)) throw invalid([{ pointer: "", detail: "Expected an object with the member data" }]);
  const { data = {}, ttlSeconds = options.ttlSeconds, ...others } = value;
  const faults: Fault[] = [];
  for (const name of READ_ONLY) {
    const isKept = patched === undefined
      ? name !== "id" || (others[name] ?? id) === id
      : Object.hasOwn(others, name) && jsonEqual(others[name]!, patched[name]!);
    if (!isKept) faults.push({ pointer: `/${name}`, detail: "Cannot be changed" });
    delete others[name];
  }
  for (const name of Object.keys(others)) {
    faults.push({ pointer: formatPointer([name]), detail: "Expected only data and ttlSeconds" });
  }
  faults.push(...ttlFaults(ttlSeconds));
  const fault = checkDocument(data, ["data"]);
  if (fault !== undefined) faults.push(fault);
  if (faults.length > 0) throw invalid(faults);
  return { data, ttlSeconds: ttlSeconds as number };
}

/** What is wrong with a time to live. */
export function ttlFaults(ttlSeconds: JsonValue): Fault[] {
  const isRight = typeof ttlSeconds === "number" && Number.isInteger(ttlSeconds) && ttlSeconds >= 1 &&
    ttlSeconds <= MAX_TTL_SECONDS;
  return isRight ? [] : [{ pointer: "/ttlSeconds", detail: `Expected a whole number from 1 to ${MAX_TTL_SECONDS}` }];
}

/** Throws `document_too_large` for JSON text of more bytes than that. */
export function checkSize(json: string, limitBytes: number): void {
  if (3 * json.length > limitBytes && encoder.encode(json).length > limitBytes) throw tooLarge(limitBytes);
}

/** The error for what is larger than it may be. */
export function tooLarge(limitBytes: number): MillraceError {
  return new MillraceError("document_too_large", `The document is larger than ${limitBytes} bytes`, {
    extensions: { limitBytes },
  });
}

/** The error for what is no session. */
export function invalid(faults: readonly Fault[]): MillraceError {
  const message = `The session has ${faults.length} fault${faults.length === 1 ? "" : "s"}`;
  return new MillraceError("invalid_session", message, { extensions: { errors: faults } });
}

/** The error for a session that is not there. */
export function sessionNotFound(): MillraceError {
  return new MillraceError("session_not_found", "There is no such session, or it has expired");
}

/** The error for a condition that does not hold. */
export function versionMismatch(version: number | undefined): MillraceError {
  const found = version === undefined ? "does not exist" : `is at version ${version}`;
  return new MillraceError("version_mismatch", `It ${found}, which the request's condition does not allow`, {
    ...(version !== undefined && { extensions: { version } }),
  });
}
