/**
 * The memory driver's dead letters.
 */
import type { JsonValue } from "../../lib/json.ts";
import type { EventData } from "../../execution/event.ts";
import type { DeadLetter, DeadLetters } from "../../execution/dead_letters.ts";
import { type KeptEvent, restoreEvent } from "./kept.ts";
import type { Holding } from "./retention.ts";

/** Number of dead letters that are kept. */
const KEPT = 1000;

/** Bytes of a letter besides its input, estimated. */
const LETTER_BYTES = 1024;

/** A stored letter; its input is in the event that requested the execution. */
export type KeptLetter = DeadLetter & { readonly requested: KeptEvent };

/** {@linkcode DeadLetters} in memory. A page is in the order of the UUIDv7 ids, as every list of executions is. */
export class MemoryDeadLetters implements DeadLetters, Holding {
  /** By execution id, the one that died first at the front. */
  readonly #letters = new Map<string, KeptLetter>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Stores a letter, and drops the oldest when there are too many. */
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
