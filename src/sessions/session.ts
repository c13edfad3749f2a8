/**
 * A session as its users see it: the document, the checks of what they write, and the errors.
 */
import { type Fault, MillraceError } from "../lib/errors.ts";
import { isJsonObject, jsonEqual, type JsonValue } from "../lib/json.ts";
import { formatPointer } from "../lib/json_pointer.ts";
import { checkDocument } from "./document_check.ts";

/** Default limits of sessions. */
export const SESSION_DEFAULTS = {
  /** Lifetime from each use on, in seconds: a day. */
  ttlSeconds: 86_400,
  /** Largest data of one session, in bytes of JSON in its stored form: 1 MiB. */
  limitBytes: 2 ** 20,
} as const;

/** The longest lifetime from a use on, in seconds: a year. */
export const MAX_TTL_SECONDS = 31_536_000;

const encoder = new TextEncoder();

/** Whether a text is a valid session id: 1 to 256 characters of Unicode, none of them a control character. */
export function isSessionId(id: string): boolean {
  return id.length <= 256 && /^[^\p{Cc}\p{Cs}]+$/u.test(id);
}

/** A session. */
export interface Session {
  readonly id: string;
  readonly data: JsonValue;
  /** Lifetime from each use on, in seconds. */
  readonly ttlSeconds: number;
  readonly version: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it expires unless it is used before, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** The members of a {@linkcode Session} that can be changed. */
export type SessionContent = Pick<Session, "data" | "ttlSeconds">;

/** Preconditions of a change (RFC 9110, section 13.1). */
export interface Guards {
  readonly ifMatch?: number | "*";
  readonly ifNoneMatch?: "*";
}

/** The document that `GET` shows. `expiresAt` is not a member, since each read moves it. */
export function toDocument({ id, data, ttlSeconds, version, createdAt, updatedAt }: Omit<Session, "expiresAt">) {
  return { id, ttlSeconds, version, createdAt, updatedAt, data };
}

/** Members of the document that only the store sets. */
const READ_ONLY = ["id", "version", "createdAt", "updatedAt"] as const;

/**
 * Checks a document that was put, or that a patch has made. `data` defaults to an empty object.
 *
 * @param options.ttlSeconds default of `ttlSeconds`
 * @param options.patched the document before the patch, whose read-only members must be unchanged. Without it the
 * document was put: read-only members are ignored, so that the answer of a GET can be put back, but `id` must match
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

/** The faults of a time to live; none for a valid one. */
export function ttlFaults(ttlSeconds: JsonValue): Fault[] {
  const isRight = typeof ttlSeconds === "number" && Number.isInteger(ttlSeconds) && ttlSeconds >= 1 &&
    ttlSeconds <= MAX_TTL_SECONDS;
  return isRight ? [] : [{ pointer: "/ttlSeconds", detail: `Expected a whole number from 1 to ${MAX_TTL_SECONDS}` }];
}

/** Throws `document_too_large` for JSON text of more than `limitBytes` bytes. */
export function checkSize(json: string, limitBytes: number): void {
  if (3 * json.length > limitBytes && encoder.encode(json).length > limitBytes) throw tooLarge(limitBytes);
}

/** The error for a document that is too large. */
export function tooLarge(limitBytes: number): MillraceError {
  return new MillraceError("document_too_large", `The document is larger than ${limitBytes} bytes`, {
    extensions: { limitBytes },
  });
}

/** The error for a document that is not a valid session. */
export function invalid(faults: readonly Fault[]): MillraceError {
  const message = `The session has ${faults.length} fault${faults.length === 1 ? "" : "s"}`;
  return new MillraceError("invalid_session", message, { extensions: { errors: faults } });
}

/** The error for a session that does not exist. */
export function sessionNotFound(): MillraceError {
  return new MillraceError("session_not_found", "There is no such session, or it has expired");
}

/** The error for a precondition that does not hold. */
export function versionMismatch(version: number | undefined): MillraceError {
  const found = version === undefined ? "does not exist" : `is at version ${version}`;
  return new MillraceError("version_mismatch", `It ${found}, which the request's condition does not allow`, {
    ...(version !== undefined && { extensions: { version } }),
  });
}
