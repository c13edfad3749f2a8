/**
 * The memory driver's dead letters.
 */
import type { JsonValue } from "../../json.ts";
import type { DeadLetter, DeadLetters } from "../port.ts";

/** How many dead letters are kept. */
const KEPT = 1000;

type WholeLetter = DeadLetter & { input: JsonValue };

/** {@linkcode DeadLetters} in memory. A page is in the order of the UUIDv7 ids, as every list of executions is. */
export class MemoryDeadLetters implements DeadLetters {
  /** In the order of their deaths. */
  readonly #letters = new Map<string, WholeLetter>();

  /** Keeps a letter, and forgets the one that died first when there are too many. */
  add(letter: WholeLetter): void {
    this.#letters.set(letter.executionId, letter);
    const [first] = this.#letters.keys();
    if (this.#letters.size > KEPT && first !== undefined) this.#letters.delete(first);
  }

  list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }> {
    const { limit, cursor } = options;
    const ids = [...this.#letters.keys()].filter((id) => cursor === undefined || id < cursor).sort().reverse();
    const page = ids.slice(0, limit);
    const deadLetters = page.map((id) => {
      const { input: _input, ...letter } = this.#letters.get(id)!;
      return letter;
    });
    return Promise.resolve({ deadLetters, ...(ids.length > page.length ? { nextCursor: page.at(-1)! } : {}) });
  }

  get(executionId: string): Promise<WholeLetter | undefined> {
    return Promise.resolve(structuredClone(this.#letters.get(executionId)));
  }

  drop(executionId: string): Promise<boolean> {
    return Promise.resolve(this.#letters.delete(executionId));
  }
}
