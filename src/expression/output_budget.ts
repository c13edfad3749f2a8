/**
 * Bounds the output of a template while it is made: a few references to one big value would be gigabytes as text.
 */
import { TerminalError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";

/** The rest of the size of one output, in about the characters of its JSON. */
export class OutputBudget {
  readonly #limit: number;
  #left: number;
  /** The first object or list; measured only when there is a second. */
  #first: object | undefined;
  #sizes: Map<object, number> | undefined;

  constructor(limit: number) {
    this.#limit = limit;
    this.#left = limit;
  }

  /** Adds characters. Throws `output_too_large`. */
  takeText(length: number): void {
    this.#left -= length;
    if (this.#left < 0) throw tooLarge(this.#limit);
  }

  /** Adds a value. Throws `output_too_large`. */
  take(value: JsonValue): void {
    if (typeof value === "string") return this.takeText(value.length + 2);
    if (typeof value !== "object" || value === null) return this.takeText(4);
    if (this.#first === undefined) {
      this.#first = value;
      return;
    }
    if (this.#sizes === undefined) {
      this.#sizes = new Map();
      this.#measure(this.#first);
    }
    this.#measure(value);
  }

  /** Checks a value before it is made a text. Throws `output_too_large`. */
  check(value: object): void {
    if (sizeOf(value, this.#left) > this.#left) throw tooLarge(this.#limit);
  }

  #measure(value: object): void {
    let size = this.#sizes?.get(value);
    if (size === undefined) {
      size = sizeOf(value, this.#left);
      this.#sizes?.set(value, size);
    }
    this.takeText(size);
  }
}

function tooLarge(limit: number): TerminalError {
  return new TerminalError("output_too_large", `The output is larger than ${limit} bytes`);
}

/** The characters of a value's JSON, about; stops when they exceed `limit`. */
function sizeOf(value: object, limit: number): number {
  let size = 0;
  const stack: unknown[] = [value];
  while (stack.length > 0 && size <= limit) {
    const item = stack.pop();
    if (typeof item === "string") size += item.length + 3;
    else if (typeof item !== "object" || item === null) size += 5;
    else if (Array.isArray(item)) {
      size += 2 + item.length;
      if (size <= limit) { for (const child of item) stack.push(child); }
    } else {
      size += 2;
      for (const key of Object.keys(item)) {
        size += key.length + 4;
        stack.push((item as Record<string, unknown>)[key]);
      }
    }
  }
  return size;
}
