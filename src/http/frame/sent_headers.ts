/**
 * The header fields of a request as the connection had them. Making `Headers` of each request costs several times as
 * much as all look-ups that a short one needs.
 */

/** The part of `Headers` that a webhook's call is read by; iterated, it gives names in lower case and in order. */
export type SentHeaders = Pick<Headers, "get"> & Iterable<[string, string]>;

/** {@linkcode SentHeaders} of names and values in turn, as HTTP/1.1 had them. */
export class RawHeaders implements SentHeaders {
  readonly #values = new Map<string, string>();

  constructor(words: readonly string[]) {
    for (let at = 0; at < words.length; at += 2) {
      const name = words[at]!.toLowerCase();
      const value = words[at + 1]!;
      const before = this.#values.get(name);
      this.#values.set(name, before === undefined ? value : before + separatorOf(name) + value);
    }
  }

  /** The value of a field, of lines of one name all of them; `name` is in lower case. */
  get(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const name of [...this.#values.keys()].sort()) yield [name, this.#values.get(name)!];
  }
}

/** Fetch, section 2.2.2 ("get"), and RFC 9113, section 8.2.3, for what HTTP/1.1 sends in one line. */
function separatorOf(name: string): string {
  return name === "cookie" ? "; " : ", ";
}
