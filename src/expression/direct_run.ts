/**
 * What the closures of a direct expression (see `direct.ts`) share: their types, their budget, and how they give up.
 */
import { weigh } from "./expression_limits.ts";
import { type AstNode, looksCallable } from "./jsonata_internals.ts";
import type { Scope } from "./scope.ts";

/** Evaluates a node for what it is applied to; `undefined` where it has no value. */
export type Direct = (context: unknown, run: DirectRun) => unknown;

/** Compiles the nodes inside of a node. */
export interface DirectCompiler {
  /** Gives up on nodes that have no direct form. */
  compile(node: AstNode): Direct;
  /**
   * True once the expression has a node by which values can grow: JSONata then weighs what is built (see
   * `expression_limits.ts`), and may refuse it. Known when the whole tree was compiled.
   */
  grows: boolean;
}

/** Units of one evaluation: a node or an item each. Less than what is free on the main thread. */
const MAX_UNITS = 250;

/** The longest text that is made or compared, in UTF-16 code units: JSONata charges for longer ones. */
const MAX_TEXT = 1023;

/** The longest text that passes through, as `checkString` has it. */
const MAX_PASSING_TEXT = 4 << 20;

/** Thrown to leave an expression to JSONata; caught in `direct.ts`. */
const LEFT_TO_JSONATA = { code: "direct" };

/** Leaves the expression, or this evaluation of it, to JSONata. */
export function giveUp(): never {
  throw LEFT_TO_JSONATA;
}

/** One evaluation: what it reads, and the rest of its budget. */
export class DirectRun {
  readonly scope: Scope;
  #left = MAX_UNITS;

  constructor(scope: Scope) {
    this.scope = scope;
  }

  /** Takes units from the budget. */
  work(units: number): void {
    this.#left -= units;
    if (this.#left < 0) giveUp();
  }
}

/** A value that was read. Gives up on texts that JSONata might refuse. */
export function passing(value: unknown): unknown {
  if (typeof value === "string" && value.length > MAX_PASSING_TEXT) giveUp();
  return value;
}

/** A value that is compared or made a text. Gives up on lists and objects, and on long texts. */
export function scalar(value: unknown): undefined | null | boolean | number | string {
  if (typeof value === "object" && value !== null) giveUp();
  if (typeof value === "string" && value.length > MAX_TEXT) giveUp();
  return value as undefined | null | boolean | number | string;
}

/** A finite number: JSONata fails with others, or makes them `null`. */
export function finite(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : giveUp();
}

/** The value of a node that builds values. Gives up where JSONata would refuse it, or charge for it. */
export function built(value: unknown, compiler: DirectCompiler, run: DirectRun): unknown {
  if (!compiler.grows) return value;
  if (typeof value === "object" && value !== null) weigh(value, run);
  else scalar(value);
  return value;
}

/** The truth of a value: JSONata's `$boolean`. Gives up on lists. */
export function truth(value: unknown): boolean {
  switch (typeof value) {
    case "undefined":
      return false;
    case "boolean":
      return value;
    case "string":
      return value.length > 0;
    case "number":
      return finite(value) !== 0;
  }
  if (value === null) return false;
  if (Array.isArray(value) || looksCallable(value as object)) giveUp();
  return Object.keys(value as object).length > 0;
}
