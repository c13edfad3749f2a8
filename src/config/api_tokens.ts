/**
 * The tokens of `/api`, as `API_TOKENS` has them: `name:token:scopes`, or a bare token, which may do everything.
 *
 * @example
 * ```ts apiTokens.parse("ci:Zm9vYmFyCg==:read|run"); // [{ name: "ci", token: "Zm9vYmFyCg==", scopes: Set { "read",
 * "run" } }]
 * ```
 */
import { z } from "zod";
import { listOf, type TextSchema, token } from "./setting.ts";

/** What a token may be for; `admin` is all of it. No other scope holds another. */
export const SCOPES = ["read", "run", "write", "admin"] as const;

/** One thing that a token may be for. */
export type Scope = (typeof SCOPES)[number];

/** Names in the audit of callers without tokens, and of tokens without a name; no token may have them. */
export const NAMELESS = ["anonymous", "unnamed"] as const;

/** One bearer token. */
export interface ApiToken {
  /** Who has it, for the log and the audit. Default none. */
  readonly name?: string;
  readonly token: string;
  readonly scopes: ReadonlySet<Scope>;
}

const apiToken: TextSchema<ApiToken> = z.string().transform((text, context) => {
  const fail = (message: string) => {
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  };
  const parts = text.split(":");
  if (parts.length !== 1 && parts.length !== 3) return fail("has an entry that is neither token nor name:token:scopes");
  const [name, secret = "", words = ""] = parts.length === 1 ? [undefined, text, "admin"] : parts;
  if (name !== undefined && !/^[\w.-]{1,64}$/.test(name)) {
    return fail("has a name that is not of 1 to 64 letters, digits, and _ . -");
  }
  if (NAMELESS.some((word) => word === name)) return fail(`has a name that stands for none: ${NAMELESS.join(", ")}`);
  const { error } = token.safeParse(secret);
  if (error !== undefined) return fail(error.issues[0]!.message);
  const scopes = words.split("|");
  if (!scopes.every(isScope)) return fail("has scopes that are not some of read, run, write, admin, joined by |");
  return Object.freeze({ ...(name !== undefined && { name }), token: secret, scopes: new Set(scopes) });
});

/** Reads tokens, by commas. What is wrong with one is said without it. */
export const apiTokens: TextSchema<readonly ApiToken[]> = listOf(apiToken)
  .refine((all) => areDistinct(all.map(({ token }) => token)), "has one token twice")
  .refine((all) => areDistinct(all.flatMap(({ name }) => name ?? [])), "has two tokens of one name");

function areDistinct(texts: readonly string[]): boolean {
  return new Set(texts).size === texts.length;
}

function isScope(word: string): word is Scope {
  return (SCOPES as readonly string[]).includes(word);
}
