/**
 * Sessions over any store: validation, preconditions, patches, encryption of parts.
 *
 * Invariants:
 * 1. A change is written only if the session still has the version that it was made from: no change is lost.
 * 2. A merge patch is applied by the store in one step where the store can, unless it touches sealed parts.
 * 3. A session that is read with parts sealed by an older key, or not sealed though they should be, is rewritten, at its
 *    next use where the store has no room now. Once all are, or have expired, the older key is not needed.
 *
 * @example
 * ```ts
 * const sessions = new Sessions({ store: store.sessions });
 * await sessions.put("alice", { data: { cart: [] }, ttlSeconds: 3600 });
 * await sessions.merge("alice", { data: { theme: "dark" } });
 * ```
 */
import { pause } from "../lib/delay.ts";
import { isRefusedForNow, UnavailableError } from "../lib/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { replaceAt, valueAt } from "../lib/json_pointer.ts";
import { checkDocument } from "./document_check.ts";
import { applyJsonPatch, parseJsonPatch } from "./json_patch.ts";
import { mergePatch, mergeTouches } from "./merge_patch.ts";
import { SealedParts } from "./sealed_parts.ts";
import {
  checkSize,
  type Guards,
  invalid,
  parseContent,
  type Session,
  SESSION_DEFAULTS,
  type SessionContent,
  sessionNotFound,
  toDocument,
  ttlFaults,
  versionMismatch,
} from "./session.ts";
import type { Condition, SessionStore, StoredSession } from "./session_store.ts";
import { mayNeedMarks, putMarks, sealedMark, takeMarks } from "./stored_form.ts";
import { Turns } from "./turns.ts";

/** A version that no session has. */
const NEVER = 0;
/** How many times a change is tried while others change the same session. */
const MOST_TRIES = 100;
/** The longest random pause before the third and each later try, in milliseconds. */
const PAUSE_MS = 20;

/** Options of {@linkcode Sessions}. */
export interface SessionsOptions {
  /** Where sessions are kept. */
  readonly store: SessionStore;
  /** Parts that are stored encrypted; none by default. */
  readonly parts?: SealedParts;
  /** Largest data of a session, in bytes of JSON; 1 MiB by default. */
  readonly limitBytes?: number;
  /** Lifetime from each use on of sessions without `ttlSeconds`, in seconds; a day by default. */
  readonly ttlSeconds?: number;
}

/** Reads and changes sessions. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #parts: SealedParts;
  readonly #limitBytes: number;
  readonly #ttlSeconds: number;
  readonly #turns = new Turns();

  constructor(options: SessionsOptions) {
    const { store, limitBytes = SESSION_DEFAULTS.limitBytes, ttlSeconds = SESSION_DEFAULTS.ttlSeconds } = options;
    this.#store = store;
    this.#parts = options.parts ?? new SealedParts({ keys: [], pointers: [] });
    this.#limitBytes = limitBytes;
    this.#ttlSeconds = ttlSeconds;
  }

  /** Reads a session and renews its lifetime; `undefined` when there is none. Throws `session_unreadable`. */
  async get(id: string): Promise<Session | undefined> {
    const stored = await this.#store.read(id);
    return stored === undefined ? undefined : await this.#restore(id, stored);
  }

  /** Creates or replaces a session. Throws `invalid_session`, `document_too_large`, `version_mismatch`. */
  async put(id: string, value: JsonValue, guards: Guards = {}): Promise<{ session: Session; created: boolean }> {
    const content = parseContent(value, { id, ttlSeconds: this.#ttlSeconds });
    const { ifMatch, ifNoneMatch } = guards;
    // The session cannot both have a version and not exist.
    const condition = ifMatch !== undefined && ifNoneMatch !== undefined ? NEVER : ifNoneMatch ? "none" : ifMatch;
    const outcome = await this.#write(id, content, condition);
    if (outcome.kind === "moved") throw versionMismatch(outcome.version);
    return outcome.value;
  }

  /**
   * Changes a session by a merge patch (RFC 7396) of its document.
   *
   * @throws {MillraceError} `session_not_found`, `invalid_session`, `document_too_large`, `version_mismatch`
   */
  async merge(id: string, patch: JsonValue, guards: Guards = {}): Promise<Session> {
    const { merge } = this.#store;
    if (merge !== undefined && isJsonObject(patch) && this.#isMergedByStore(patch)) {
      const { data, ttlSeconds } = patch;
      checkMerge(patch);
      const outcome = await merge(id, {
        json: toMarkedJson(data!),
        ...(ttlSeconds === undefined ? {} : { ttlMs: (ttlSeconds as number) * 1000 }),
        sealed: this.#parts.name,
        limitBytes: this.#limitBytes,
      }, guards.ifMatch);
      if (outcome?.kind === "done") return await this.#restore(id, outcome.value);
      if (outcome?.kind === "moved") throw this.#moved(outcome.version, guards);
    }
    return await this.#change(id, (document) => mergePatch(document, patch), guards);
  }

  /**
   * Changes a session by a JSON patch (RFC 6902) of its document: all of its operations, or none.
   *
   * @throws {MillraceError} `session_not_found`, `malformed_patch`, `patch_conflict`, `patch_test_failed`,
   * `invalid_session`, `document_too_large`, `version_mismatch`
   */
  async patch(id: string, patch: JsonValue, guards: Guards = {}): Promise<Session> {
    const operations = parseJsonPatch(patch);
    // A copy for each try: applying a patch makes its values part of the document.
    const apply = (document: JsonValue) =>
      applyJsonPatch(document, structuredClone(operations), { limitBytes: this.#limitBytes });
    return await this.#change(id, apply, guards);
  }

  /**
   * Changes the data of a session by a function, which may change its argument in place. It is called again when the
   * session was changed by others in the meantime.
   *
   * @throws {MillraceError} `session_not_found`, `invalid_session`, `document_too_large`, `version_mismatch`
   */
  async update(id: string, change: (data: JsonValue) => JsonValue, guards: Guards = {}): Promise<Session> {
    const apply = (document: JsonObject) => ({ ...document, data: change(document["data"]!) });
    return await this.#change(id, (document) => apply(document as JsonObject), guards);
  }

  /** Deletes a session; false when there was none. Throws `version_mismatch`. */
  async delete(id: string, guards: Pick<Guards, "ifMatch"> = {}): Promise<boolean> {
    const outcome = await this.#store.delete(id, guards.ifMatch);
    if (outcome.kind === "done") return true;
    if (guards.ifMatch === undefined) return false;
    throw versionMismatch(outcome.version);
  }

  /** Lists ids, page by page: see {@linkcode SessionStore.list}. */
  list(options: { limit: number; cursor?: string }): ReturnType<SessionStore["list"]> {
    return this.#store.list(options);
  }

  /** Invariant 2. The store merges objects of data, and can neither remove `ttlSeconds` nor seal parts. */
  #isMergedByStore(patch: JsonObject): boolean {
    const names = Object.keys(patch);
    return isJsonObject(patch["data"]) && names.every((name) => MERGED.has(name)) && patch["ttlSeconds"] !== null &&
      !this.#parts.places.some((place) => mergeTouches(patch["data"]!, place));
  }

  /** Invariant 1: reads, changes and writes, again while others change the session in between. */
  #change(id: string, change: (document: JsonValue) => JsonValue, guards: Guards): Promise<Session> {
    return this.#turns.take(id, async () => {
      for (let tries = 1; tries <= MOST_TRIES; tries++) {
        if (tries > 2) await pause(Math.random() * PAUSE_MS);
        const session = await this.get(id);
        if (session === undefined || !allows(guards, session.version)) throw this.#moved(session?.version, guards);
        const now = toDocument(session);
        const changed = change(structuredClone(now));
        const content = parseContent(changed, { id, ttlSeconds: this.#ttlSeconds, patched: now });
        const outcome = await this.#write(id, content, session.version);
        if (outcome.kind === "done") return outcome.value.session;
      }
      throw new UnavailableError(`The session was changed by others ${MOST_TRIES} times`, { mayHaveHappened: false });
    });
  }

  #moved(version: number | undefined, { ifMatch }: Guards): Error {
    return version === undefined && ifMatch === undefined ? sessionNotFound() : versionMismatch(version);
  }

  async #write(id: string, { data, ttlSeconds }: SessionContent, condition: Condition) {
    const json = await this.#toStored(id, data);
    checkSize(json, this.#limitBytes);
    const write = { json, ttlMs: ttlSeconds * 1000, sealed: this.#parts.name };
    const outcome = await this.#store.write(id, write, condition);
    if (outcome.kind === "moved") return outcome;
    const { created, ...rest } = outcome.value;
    return { kind: "done", value: { session: { id, data, ttlSeconds, ...rest }, created } } as const;
  }

  /** The stored form of the data: with marks, and with its sealed parts. */
  async #toStored(id: string, data: JsonValue): Promise<string> {
    const found = this.#parts.places.filter((place) => valueAt(data, place) !== undefined);
    if (found.length === 0) return toMarkedJson(data);
    let stored = putMarks(structuredClone(data));
    const sealed = await Promise.all(
      found.map((place) => this.#parts.seal(valueAt(data, place)!, { id, place })),
    );
    for (const [at, place] of found.entries()) stored = replaceAt(stored, place, sealedMark(sealed[at]!));
    return JSON.stringify(stored);
  }

  async #restore(id: string, stored: StoredSession): Promise<Session> {
    const { version, createdAt, updatedAt, expiresAt, ttlMs, sealed, hasMarks } = stored;
    const { holder, parts } = hasMarks ? takeMarks(stored.data) : { holder: [stored.data] as const, parts: [] };
    const values = await Promise.all(parts.map(({ sealed, place }) => this.#parts.open(sealed, { id, place })));
    for (const [at, { set }] of parts.entries()) set(values[at]!);
    const [data] = holder;
    const isOld = parts.some((part) => this.#parts.isOld(part.sealed)) || sealed !== this.#parts.name;
    if (isOld) await this.#storeAnew(id, data, stored);
    return { id, data, ttlSeconds: ttlMs / 1000, version, createdAt, updatedAt, expiresAt };
  }

  /** Invariant 3. The condition fails only if another change has rewritten the session already. */
  async #storeAnew(id: string, data: JsonValue, { version, ttlMs }: StoredSession): Promise<void> {
    const json = await this.#toStored(id, data);
    try {
      await this.#store.write(id, { json, ttlMs, sealed: this.#parts.name, isSame: true }, version);
    } catch (error) {
      if (!isRefusedForNow(error)) throw error;
    }
  }
}

/** The members of the document that a store can merge. */
const MERGED: ReadonlySet<string> = new Set(["data", "ttlSeconds"]);

function checkMerge({ data, ttlSeconds }: JsonObject): void {
  const faults = ttlSeconds === undefined ? [] : ttlFaults(ttlSeconds);
  const fault = checkDocument(data!, ["data"]);
  if (fault !== undefined) faults.push(fault);
  if (faults.length > 0) throw invalid(faults);
}

/** The stored form of a value without sealed parts, as JSON text. */
function toMarkedJson(value: JsonValue): string {
  const json = JSON.stringify(value);
  return mayNeedMarks(json) ? JSON.stringify(putMarks(JSON.parse(json))) : json;
}

function allows({ ifMatch }: Guards, version: number): boolean {
  return ifMatch === undefined || ifMatch === "*" || ifMatch === version;
}
