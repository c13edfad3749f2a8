/**
 * The memory driver's dead letters.
 */
import type { JsonValue } from "../../lib/json.ts";
import type { EventData } from "../../execution/event.ts";
import type { DeadLetter, DeadLetters } from "../../execution/dead_letters.ts";
import { type KeptEvent, restoreEvent } from "./kept.ts";
import type { Holding } from "./retention.ts";

/** How many dead letters are kept. */
const KEPT = 1000;

/** What a letter takes besides its input, about, in bytes. */
const LETTER_BYTES = 1024;

/** A letter as it is kept: its input stands in the event that requested the execution. */
export type KeptLetter = DeadLetter & { readonly requested: KeptEvent };

/** {@linkcode DeadLetters} in memory. A page is in the order of the UUIDv7 ids, as every list of executions is. */
export class MemoryDeadLetters implements DeadLetters, Holding {
  /** In the order of their deaths. */
  readonly #letters = new Map<string, KeptLetter>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a letter, and forgets the one that died first when there are too many. */
  add(letter: KeptLetter): void {
    this.#letters.set(letter.executionId, letter);
    this.#bytes += LETTER_BYTES + letter.requested.bytes;
    if (this.#letters.size > KEPT) this.dropOldest();
  }

  dropOldest(): boolean {
    const [first] = this.#letters.keys();
    return first !== undefined && this.#drop(first);
  }

  list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }> {
    const { limit, cursor } = options;
    const ids = [...this.#letters.keys()].filter((id) => cursor === undefined || id < cursor).sort().reverse();
    const page = ids.slice(0, limit);
    const deadLetters = page.map((id) => {
      const { requested: _requested, ...letter } = this.#letters.get(id)!;
      return letter;
    });
    return Promise.resolve({ deadLetters, ...(ids.length > page.length ? { nextCursor: page.at(-1)! } : {}) });
  }

  get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined> {
    const kept = this.#letters.get(executionId);
    if (kept === undefined) return Promise.resolve(undefined);
    const { requested, ...letter } = kept;
    const { input } = restoreEvent(requested).data as EventData["execution.requested"];
    return Promise.resolve(structuredClone({ ...letter, input }));
  }

  drop(executionId: string): Promise<boolean> {
    return Promise.resolve(this.#drop(executionId));
  }

  #drop(executionId: string): boolean {
    const letter = this.#letters.get(executionId);
    if (letter === undefined) return false;
    this.#bytes -= LETTER_BYTES + letter.requested.bytes;
    return this.#letters.delete(executionId);
  }
}
