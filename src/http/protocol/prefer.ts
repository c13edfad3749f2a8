/**
 * The `Prefer` request header (RFC 7240): `respond-async` and `wait`.
 *
 * @example
 * ```ts
 * parsePrefer("respond-async, wait=10"); // { respondAsync: true, waitSeconds: 10 }
 * ```
 */

/** The preferences of a client. */
export interface Preferences {
  readonly respondAsync: boolean;
  /** How long the client is willing to wait, in seconds. */
  readonly waitSeconds?: number;
}

/** Longest wait that `Prefer: wait=N` gets outside of webhooks, which have a deadline of their own, in seconds. */
export const MAX_WAIT_SECONDS = 300;

const NONE: Preferences = { respondAsync: false };

/** One preference: a token, an optional value (token or quoted string), and parameters that nothing here reads. */
const PREFERENCE = /^([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*))?\s*(?:;.*)?$/s;
/** Commas that separate preferences, not those within quoted strings. */
const SEPARATOR = /,(?=(?:[^"]*"[^"]*")*[^"]*$)/;
const MAX_LENGTH = 1_000;

/**
 * Parses a `Prefer` header. Unknown and malformed preferences are ignored, and the first of several with one name
 * counts (RFC 7240, section 2).
 */
export function parsePrefer(header: string | null | undefined): Preferences {
  if (!header || header.length > MAX_LENGTH) return NONE;
  const seen = new Map<string, string>();
  for (const part of header.split(SEPARATOR)) {
    const [, name, value = ""] = PREFERENCE.exec(part.trim()) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined || seen.has(key)) continue;
    seen.set(key, value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/gs, "$1") : value);
  }
  const wait = seen.get("wait");
  return {
    respondAsync: seen.has("respond-async"),
    ...(wait !== undefined && /^\d{1,9}$/.test(wait) && { waitSeconds: Number(wait) }),
  };
}

/** How long to wait for an answer, and the `Preference-Applied` that says so (RFC 7240, section 3). */
export interface AppliedWait {
  readonly waitSeconds: number;
  readonly preferenceApplied?: string;
}

/**
 * Decides how long to wait. `respond-async` together with `wait` means: wait that long, then answer 202
 * (RFC 7240, section 4.3).
 *
 * @param options.defaultSeconds the wait when nothing is preferred
 * @param options.maxSeconds the longest wait that is granted
 */
export function applyPreferences(
  preferences: Preferences,
  options: { defaultSeconds: number; maxSeconds: number },
): AppliedWait {
  const { defaultSeconds, maxSeconds } = options;
  if (preferences.waitSeconds !== undefined) {
    const waitSeconds = Math.min(preferences.waitSeconds, maxSeconds);
    const applied = `wait=${waitSeconds}`;
    return { waitSeconds, preferenceApplied: preferences.respondAsync ? `respond-async, ${applied}` : applied };
  }
  if (preferences.respondAsync) return { waitSeconds: 0, preferenceApplied: "respond-async" };
  return { waitSeconds: defaultSeconds };
}
