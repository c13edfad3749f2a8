/**
 * The session of one browser during one request. Values are read synchronously; changes are stored after the handler.
 */
import { encodeBase64Url } from "../../lib/base64.ts";
import { MillraceError } from "../../lib/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, setMember } from "../../lib/json.ts";
import type { Session } from "../../sessions/session.ts";
import type { Sessions } from "../../sessions/sessions.ts";

/** Random bytes of an id, which is their base64url text: 192 bits. */
const ID_BYTES = 24;

/** Options of {@linkcode BrowserSession}. */
export interface BrowserSessionOptions {
  /** Where the session is kept. */
  readonly sessions: Sessions;
  /** The life of the session from each use on, in seconds. */
  readonly ttlSeconds: number;
  /** Makes the token that goes with an id. */
  readonly csrfToken: (id: string) => Promise<string>;
  /** The session that the cookie names, if it exists. */
  readonly found: { readonly id: string; readonly session: Session } | undefined;
}

/** The id under which a browser's session is stored among other sessions. */
export function storedId(id: string): string {
  return `browser:${id}`;
}

/** A session of a browser. */
export class BrowserSession {
  readonly #options: BrowserSessionOptions;
  readonly #data: JsonObject;
  /** Changes since it was stored, by name; `undefined` removes a value. */
  #changes = new Map<string, JsonValue | undefined>();
  /** The id under which it is stored, and the one under which it will be. */
  #storedAs: string | undefined;
  #id: string | undefined;
  /** The id of a destroyed session that has not been deleted yet. */
  #destroyed: string | undefined;
  #wasDestroyed = false;

  constructor(options: BrowserSessionOptions) {
    const { id, session } = options.found ?? {};
    this.#options = options;
    this.#data = isJsonObject(session?.data) ? session.data : {};
    this.#storedAs = id;
    this.#id = id;
  }

  /** The id in the cookie; `undefined` while nothing is stored, and after `destroy()`. */
  get id(): string | undefined {
    return this.#id;
  }

  /** True while no request has stored anything. */
  get isNew(): boolean {
    return this.#storedAs === undefined;
  }

  /** True once this request has called `destroy()`. */
  get wasDestroyed(): boolean {
    return this.#wasDestroyed;
  }

  /** Reads a value. It must not be changed in place. */
  get(name: string): JsonValue | undefined {
    return Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
  }

  /** Sets a value. Concurrent requests do not overwrite each other's values under other names. */
  set(name: string, value: JsonValue): void {
    setMember(this.#data, name, value);
    this.#change(name, value);
  }

  /** Removes a value. */
  delete(name: string): void {
    delete this.#data[name];
    this.#change(name, undefined);
  }

  /**
   * Gives the session a new id and ends the former one. Call it whenever a user gains rights, such as at a login, so
   * that an id that others may know becomes useless (session fixation).
   */
  rotate(): void {
    this.#id = makeId();
  }

  /** Ends the session, such as at a logout. Values that are set afterwards begin another one. */
  destroy(): void {
    for (const name of Object.keys(this.#data)) delete this.#data[name];
    this.#changes.clear();
    this.#destroyed ??= this.#storedAs;
    this.#wasDestroyed = true;
    this.#end();
  }

  /** The token that a page sends as `X-CSRF-Token`, for browsers that send no origin. */
  csrfToken(): Promise<string> {
    return this.#options.csrfToken(this.#id ??= makeId());
  }

  /**
   * Stores the changes. The middleware calls this after the handler, before the response is sent; call it yourself for
   * changes that are made while a response streams.
   *
   * @returns false when another request has ended the session in the meantime: then the changes are dropped
   */
  async save(): Promise<boolean> {
    const { sessions, ttlSeconds } = this.#options;
    const [id, storedAs, changes, destroyed] = [this.#id, this.#storedAs, this.#changes, this.#destroyed];
    this.#changes = new Map();
    this.#destroyed = undefined;
    if (destroyed !== undefined) await sessions.delete(storedId(destroyed));
    if (id === undefined) return true;
    if (id === storedAs) {
      if (changes.size === 0) return true;
      return await isThere(sessions.update(storedId(id), (data) => withChanges(data, changes))) || this.#end();
    }
    // Read again, so that values which other requests have stored in the meantime are kept.
    const former = storedAs === undefined ? undefined : await sessions.get(storedId(storedAs));
    if (storedAs !== undefined && former === undefined) return this.#end();
    const data = withChanges(former?.data ?? {}, changes);
    await sessions.put(storedId(id), { data, ttlSeconds }, { ifNoneMatch: "*" });
    if (storedAs !== undefined) await sessions.delete(storedId(storedAs));
    this.#storedAs = id;
    return true;
  }

  #end(): false {
    this.#id = undefined;
    this.#storedAs = undefined;
    return false;
  }

  #change(name: string, value: JsonValue | undefined): void {
    this.#id ??= makeId();
    this.#changes.set(name, value);
  }
}

async function isThere(change: Promise<unknown>): Promise<boolean> {
  try {
    await change;
    return true;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "session_not_found") return false;
    throw error;
  }
}

function withChanges(data: JsonValue, changes: ReadonlyMap<string, JsonValue | undefined>): JsonObject {
  const changed = isJsonObject(data) ? data : {};
  for (const [name, value] of changes) {
    if (value === undefined) delete changed[name];
    else setMember(changed, name, value);
  }
  return changed;
}

function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return encodeBase64Url(bytes);
}
