/**
 * Bounds the parsing of one definition. The time of a try does not depend on its length alone, so both tries and
 * characters are counted. Past either limit no further expression is parsed, and one fault reports it.
 */

/** The limits of all expressions of a definition together. */
export const PARSE_LIMITS = { tries: 1000, characters: 131_072 } as const;

/** The rest of one definition's limits. */
export class ParseBudget {
  #tries: number = PARSE_LIMITS.tries;
  #characters: number = PARSE_LIMITS.characters;
  #told = false;

  /** Counts a try of `length` characters; false when that exceeds a limit. */
  take(length: number): boolean {
    this.#tries--;
    this.#characters -= length;
    return !this.isSpent;
  }

  /** True if that many tries are left; otherwise none is left from now on. */
  allows(tries: number): boolean {
    if (tries > this.#tries) this.#tries = -1;
    return !this.isSpent;
  }

  /** True once a limit was exceeded. */
  get isSpent(): boolean {
    return this.#tries < 0 || this.#characters < 0;
  }

  /** The fault, at the first call only. */
  complaint(): string | undefined {
    if (this.#told) return undefined;
    this.#told = true;
    const { tries, characters } = PARSE_LIMITS;
    return `Cannot parse more: a definition may hold ${tries} expressions, of ${characters} characters together`;
  }
}
