/**
 * What one definition may cost to parse: a try at an expression takes time that its length does not tell, so tries are
 * counted besides characters. Past either bound nothing more is parsed, and one fault says so.
 */

/** The bounds of all expressions of a definition together. */
export const PARSE_LIMITS = { tries: 1000, characters: 131_072 } as const;

/** What is left to parse of one definition. */
export class ParseBudget {
  #tries: number = PARSE_LIMITS.tries;
  #characters: number = PARSE_LIMITS.characters;
  #told = false;

  /** Takes a try at `length` characters; false when there is none left for it. */
  take(length: number): boolean {
    this.#tries--;
    this.#characters -= length;
    return !this.isSpent;
  }

  /** True if that many tries are left; if not, none is. */
  allows(tries: number): boolean {
    if (tries > this.#tries) this.#tries = -1;
    return !this.isSpent;
  }

  /** True once something was asked for that was not left. */
  get isSpent(): boolean {
    return this.#tries < 0 || this.#characters < 0;
  }

  /** What is wrong, at the first call; nothing at further ones, since one fault is enough. */
  complaint(): string | undefined {
    if (this.#told) return undefined;
    this.#told = true;
    const { tries, characters } = PARSE_LIMITS;
    return `Cannot parse more: a definition may hold ${tries} expressions, of ${characters} characters together`;
  }
}
