/**
 * One environment variable, and schemas for the texts of variables. An error message follows the variable's name:
 * `must be …, not "…"`. It never quotes a value that may be a secret.
 *
 * @example
 * ```ts
 * const PORT = setting("8080", "Port to listen on", wholeNumber(0, 65535));
 * PORT.schema.safeParse("abc").error.issues; // [{ message: 'must be a whole number from 0 to 65535, not "abc"', … }]
 * ```
 */
import { z } from "zod";
import { type AddressRange, parseRange } from "../lib/address_ranges.ts";
import { decodeBase64 } from "../lib/base64.ts";
import { parseHostRule } from "../lib/host_rule.ts";
import { parsePointer } from "../lib/json_pointer.ts";

/** Parses a text into a value. */
export type TextSchema<T> = z.ZodType<T, string>;

/** One environment variable. */
export interface Setting<T> {
  /** Its text when the variable is unset or empty. */
  readonly default: string;
  /** One line for `--help` and README.md, with the unit: no final period. */
  readonly help: string;
  /** Parses and checks the text. */
  readonly schema: TextSchema<T>;
}

/** A row of the table. */
export function setting<T>(byDefault: string, help: string, schema: TextSchema<T>): Setting<T> {
  return { default: byDefault, help, schema };
}

/** A whole number in a range, both ends included. */
export function wholeNumber(min: number, max: number): TextSchema<number> {
  const isInRange = (text: string) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max;
  return z.string().refine(isInRange, mustBe(`a whole number from ${min} to ${max}`)).transform(Number);
}

/** A whole number in a range, both ends included, or a word instead. */
export function wholeNumberOr<const T extends string>(word: T, min: number, max: number): TextSchema<number | T> {
  return textOf(mustBe(`a whole number from ${min} to ${max}, or ${word}`), (text) => {
    if (text === word) return word;
    return wholeNumber(min, max).safeParse(text).data;
  });
}

/** One of several words. */
export function oneOf<const T extends string>(words: readonly T[]): TextSchema<T> {
  return textOf(mustBe(`one of ${words.join(", ")}`), (text) => words.find((word) => word === text));
}

/** Several of several words, at least one. */
export function someOf<const T extends string>(words: readonly T[]): TextSchema<ReadonlySet<T>> {
  return z.string()
    .refine((text) => list(text).length > 0, mustBe(`one or more of ${words.join(", ")}`))
    .pipe(listOf(oneOf(words)))
    .transform((found) => new Set(found));
}

/** `true` or `false`. */
export const flag: TextSchema<boolean> = oneOf(["true", "false"]).transform((word) => word === "true");

/** A text of a certain form; `form` completes "must be …". */
export function matching(expression: RegExp, form: string): TextSchema<string> {
  return z.string().regex(expression, mustBe(form));
}

/** Another schema, with `undefined` for an empty text. */
export function optional<T>(schema: TextSchema<T>): TextSchema<T | undefined> {
  return z.string().transform((text) => text === "" ? undefined : text).pipe(schema.optional());
}

/** Any text. */
export const anyText: TextSchema<string> = z.string();

/** Texts separated by commas, each parsed by another schema; an empty text is an empty list. */
export function listOf<T>(schema: TextSchema<T>): TextSchema<readonly T[]> {
  return z.string().transform(list).pipe(z.array(schema)).transform((values) => Object.freeze(values));
}

/** A bearer token (RFC 6750, section 2.1): one with any other character could never be sent. */
export const token: TextSchema<string> = z.string()
  .min(8, { error: ({ input }) => `has a token of ${String(input).length} characters: each needs at least 8` })
  .regex(
    /^[A-Za-z0-9._~+/-]+=*$/,
    "has a token with a character other than letters, digits, - . _ ~ + / and = at its end",
  );

/** An origin that a browser may name (RFC 6454, section 6.2), or `*`. */
export const origin: TextSchema<string> = z.string().refine(
  (text) => text === "*" || (URL.canParse(text) && new URL(text).origin === text),
  mustBe('origins such as "https://example.com", or *'),
);

/** A host name or an address, in the form of a URL: an IPv6 address in brackets. */
export const hostName: TextSchema<string> = textOf(mustBe("a host name or an address, without port"), (text) => {
  const host = /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) ? `[${text}]` : text;
  return /^(\[[^\]]*\]|[\w.-]+)$/.test(host) && URL.canParse(`redis://${host}`) ? host : undefined;
});

const REDIS_URL_FORM = "redis://[user:password@]host[:port][/db]";

/** A Redis URL (IANA's provisional `redis` scheme). An error never quotes it: it may hold a password. */
export const redisUrl: TextSchema<URL> = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fault = url === undefined ? `must be a URL such as ${REDIS_URL_FORM}` : faultOf(url);
  if (url !== undefined && fault === undefined) return url;
  context.addIssue({ code: "custom", message: fault! });
  return z.NEVER;
});

/** A URL of PostgreSQL, as its own clients take it. It is not quoted: it may hold a password. */
export const postgresUrl: TextSchema<URL> = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^postgres(ql)?:$/.test(url.protocol) && url.pathname.length > 1) return url;
  context.addIssue({
    code: "custom",
    message: "must be a URL such as postgres://[user:password@]host[:port]/database",
  });
  return z.NEVER;
});

function faultOf(url: URL): string | undefined {
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    return `must begin with redis:// or rediss://, not "${url.protocol}//"`;
  }
  if (url.hostname === "") return `must name a host: ${REDIS_URL_FORM}`;
  return /^\/?\d*$/.test(url.pathname) ? undefined : `must end in a database number, not "${url.pathname}"`;
}

/** Parses by `read`, which returns `undefined` for a wrong text. */
function textOf<T>(fault: ReturnType<typeof mustBe>, read: (text: string) => T | undefined): TextSchema<T> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: fault.error({ input: text }) });
    return z.NEVER;
  });
}

function list(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function mustBe(form: string) {
  return { error: ({ input }: { input?: unknown }) => `must be ${form}, not ${JSON.stringify(input)}` };
}

/** A key for encryption at rest: `id:` and 32 bytes in base64. What is wrong with it is said without it. */
export const encryptionKey: TextSchema<{ id: string; bytes: Uint8Array<ArrayBuffer> }> = z.string().transform(
  (text, context) => {
    const [, id = "", base64 = ""] = /^([\w-]{1,64}):([A-Za-z0-9+/]{43}=)$/.exec(text) ?? [];
    if (id !== "") return { id, bytes: decodeBase64(base64) };
    const message = "has a key that is not id:base64, with 32 bytes as base64: openssl rand -base64 32";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  },
);

/** A JSON pointer (RFC 6901) that is not the whole document. */
export const pointer: TextSchema<string> = z.string().refine(
  (text) => text !== "" && parsePointer(text) !== undefined,
  mustBe('JSON pointers such as "/card/number"'),
);

/** An IP address, or a range of them. */
export const addressRange: TextSchema<AddressRange> = textOf(
  mustBe("IP addresses or CIDRs such as 10.0.0.0/8"),
  parseRange,
);

/** A host that may be called, as text. */
export const hostRule: TextSchema<string> = z.string().refine(
  (text) => parseHostRule(text) !== undefined,
  mustBe("host names, IP addresses, CIDRs or host:port"),
);

/** The name of a header (RFC 9110, section 5.1), made lower case. */
export const headerName: TextSchema<string> = matching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "names of headers")
  .transform((name) => name.toLowerCase());
