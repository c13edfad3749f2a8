/**
 * One environment variable, and the parsers of their texts. A parser throws a {@linkcode ConfigError} whose message
 * goes on from the variable's name: `must be …, not "…"`. A value that may be a secret is never quoted.
 *
 * @example
 * ```ts
 * const PORT = setting("8080", "Port to listen on", wholeNumber(0, 65535));
 * PORT.parse("abc"); // throws: must be a whole number from 0 to 65535, not "abc"
 * ```
 */

/** The environment does not make a configuration; the message is one line that names the variable. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Makes a value of a text. */
export type Parse<T> = (text: string) => T;

/** One environment variable. */
export interface Setting<T> {
  /** Its text when the variable is unset or empty. */
  readonly default: string;
  /** What it is, in a line, with its unit: no final period. */
  readonly help: string;
  readonly parse: Parse<T>;
}

/** A row of the table. */
export function setting<T>(byDefault: string, help: string, parse: Parse<T>): Setting<T> {
  return { default: byDefault, help, parse };
}

/** A whole number in a range, both ends included. */
export function wholeNumber(min: number, max: number): Parse<number> {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
    throw mustBe(`a whole number from ${min} to ${max}`, text);
  };
}

/** One of several words. */
export function oneOf<const T extends string>(words: readonly T[]): Parse<T> {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw mustBe(`one of ${words.join(", ")}`, text);
    return found;
  };
}

/** Several of several words, at least one. */
export function someOf<const T extends string>(words: readonly T[]): Parse<ReadonlySet<T>> {
  return (text) => {
    const found = list(text).map(oneOf(words));
    if (found.length === 0) throw mustBe(`one or more of ${words.join(", ")}`, text);
    return new Set(found);
  };
}

/** `true` or `false`. */
export function flag(text: string): boolean {
  return oneOf(["true", "false"])(text) === "true";
}

/** A text of a certain form; `form` completes "must be …". */
export function matching(expression: RegExp, form: string): Parse<string> {
  return (text) => {
    if (!expression.test(text)) throw mustBe(form, text);
    return text;
  };
}

/** As another parser has it; nothing is `undefined`. */
export function optional<T>(parse: Parse<T>): Parse<T | undefined> {
  return (text) => text === "" ? undefined : parse(text);
}

/** Any text. */
export function anyText(text: string): string {
  return text;
}

/** Texts separated by commas, each as another parser has it; none is an empty list. */
export function listOf<T>(parse: Parse<T>): Parse<readonly T[]> {
  return (text) => Object.freeze(list(text).map(parse));
}

/** A bearer token, as RFC 6750, section 2.1, has it: one with any other character could never be sent. */
export function token(text: string): string {
  if (text.length < 8) throw new ConfigError(`has a token of ${text.length} characters: each needs at least 8`);
  if (!/^[A-Za-z0-9._~+/-]+=*$/.test(text)) {
    throw new ConfigError("has a token with a character other than letters, digits, - . _ ~ + / and = at its end");
  }
  return text;
}

/** An origin that a browser may name (RFC 6454, section 6.2), or `*`. */
export function origin(text: string): string {
  if (text === "*" || (URL.canParse(text) && new URL(text).origin === text)) return text;
  throw mustBe('origins such as "https://example.com", or *', text);
}

/** A host name or an address, as it stands in a URL: an IPv6 address in brackets. */
export function hostName(text: string): string {
  const host = /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) ? `[${text}]` : text;
  if (/^(\[[^\]]*\]|[\w.-]+)$/.test(host) && URL.canParse(`redis://${host}`)) return host;
  throw mustBe("a host name or an address, without port", text);
}

/** A Redis URL as IANA registered it. The URL is not quoted: it may hold a password. */
export function redisUrl(text: string): URL {
  const form = "redis://[user:password@]host[:port][/db]";
  if (!URL.canParse(text)) throw new ConfigError(`must be a URL such as ${form}`);
  const url = new URL(text);
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    throw new ConfigError(`must begin with redis:// or rediss://, not "${url.protocol}//"`);
  }
  if (url.hostname === "") throw new ConfigError(`must name a host: ${form}`);
  if (!/^\/?\d*$/.test(url.pathname)) throw new ConfigError(`must end in a database number, not "${url.pathname}"`);
  return url;
}

function list(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function mustBe(form: string, text: string): ConfigError {
  return new ConfigError(`must be ${form}, not ${JSON.stringify(text)}`);
}
