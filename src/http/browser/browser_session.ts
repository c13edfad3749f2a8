/**
 * The session of one browser, as a handler sees it during one request: what is read is there at once, what is changed is
 * stored when the request has been handled.
 */
import { encodeBase64Url } from "../../lib/base64.ts";
import { MillraceError } from "../../lib/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue, setMember } from "../../lib/json.ts";
import type { Session } from "../../sessions/session.ts";
import type { Sessions } from "../../sessions/sessions.ts";

/** 192 random bits as base64url: nobody guesses one. */
const ID_BYTES = 24;

/** What a {@linkcode BrowserSession} is made of. */
export interface BrowserSessionOptions {
  /** Where the session is kept. */
  readonly sessions: Sessions;
  /** The life of the session from each use on, in seconds. */
  readonly ttlSeconds: number;
  /** Makes the token that goes with an id. */
  readonly csrfToken: (id: string) => Promise<string>;
  /** What the cookie named, if it was there. */
  readonly found: { readonly id: string; readonly session: Session } | undefined;
}

/** Where the sessions of browsers are kept among others. */
export function storedId(id: string): string {
  return `browser:${id}`;
}

/** A session of a browser. */
export class BrowserSession {
  readonly #options: BrowserSessionOptions;
  readonly #data: JsonObject;
  /** What was changed since it was stored; `undefined` is removed. */
  #changes = new Map<string, JsonValue | undefined>();
  /** Under which id it is stored, and under which it is to be. */
  #storedAs: string | undefined;
  #id: string | undefined;
  /** The id of one that is still to be deleted. */
  #destroyed: string | undefined;

  constructor(options: BrowserSessionOptions) {
    const { id, session } = options.found ?? {};
    this.#options = options;
    this.#data = isJsonObject(session?.data) ? session.data : {};
    this.#storedAs = id;
    this.#id = id;
  }

  /** The id, which the cookie carries; `undefined` while there is nothing to keep, and once it was destroyed. */
  get id(): string | undefined {
    return this.#id;
  }

  /** True while no request has stored anything. */
  get isNew(): boolean {
    return this.#storedAs === undefined;
  }

  /** A value that is kept; it must not be changed in place. */
  get(name: string): JsonValue | undefined {
    return Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
  }

  /** Keeps a value. Of two requests at once, each keeps the names that it sets. */
  set(name: string, value: JsonValue): void {
    setMember(this.#data, name, value);
    this.#change(name, value);
  }

  /** Keeps a value no longer. */
  delete(name: string): void {
    delete this.#data[name];
    this.#change(name, undefined);
  }

  /**
   * Goes on under a new id, and the former one ends. To be called whenever a user gains rights, at a login above all, so
   * that an id that others knew before is worth nothing afterwards.
   */
  rotate(): void {
    this.#id = makeId();
  }

  /** Ends it, at a logout: what is set afterwards begins another. */
  destroy(): void {
    for (const name of Object.keys(this.#data)) delete this.#data[name];
    this.#changes.clear();
    this.#destroyed ??= this.#storedAs;
    this.#end();
  }

  /** The token that a page sends back as `X-CSRF-Token`, for browsers that say nothing of where a request comes from. */
  csrfToken(): Promise<string> {
    return this.#options.csrfToken(this.#id ??= makeId());
  }

  /**
   * Stores what was changed; the middleware does so when the handler is done, before the response goes out. What changes
   * while a response streams is stored by calling this.
   *
   * @returns false when the session was ended meanwhile by another request, and what was changed here with it
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
    // What other requests have stored meanwhile goes along.
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
