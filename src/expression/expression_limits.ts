/**
 * Enforces limits of a running JSONata expression that counting steps (`expression_meter.ts`) cannot. Functions enforce
 * them too: see `expression_functions.ts`.
 *
 * 1. A value may contain another one twice, so thirty steps can build a value that takes a gigabyte to walk. Where an
 *    expression can do that (see `rewriteExpression`), a hook weighs every value that it builds, shared parts counted
 *    each time.
 * 2. Values that are built and dropped are charged to the evaluation, so that garbage is bounded too.
 * 3. Without another thread, the hook yields to the event loop every few milliseconds.
 */
import type { Meter } from "./expression_meter.ts";
import { type AstNode, type ExitHook, isFunctionValue } from "./jsonata_internals.ts";

/** The longest string that an expression may handle, in UTF-16 code units. */
export const MAX_STRING = 4 << 20;

/** The longest sequence, in items. */
export const MAX_SEQUENCE = 100_000;

/** The heaviest value, in about the characters of its JSON. */
export const MAX_WEIGHT = 16 << 20;

/** What one evaluation may build in total: characters, plus four for each item and sixteen for each new object. */
const MAX_CHARGE = 64 << 20;

/** Longest time between two yields to the event loop, in milliseconds. */
const SLICE_MS = 10;

/** Thrown inside JSONata at a limit; `expression_result.ts` reads the `code`. */
export interface LimitFailure {
  readonly code: "limit";
  readonly message: string;
}

/** Makes a {@linkcode LimitFailure}. */
export function limit(message: string): LimitFailure {
  return { code: "limit", message };
}

/** Charges a built value to the evaluation; small ones are free. */
export function charge(meter: Meter, amount: number): void {
  if (amount < 1024) return;
  meter.charged += amount;
  if (meter.charged > MAX_CHARGE) throw limit("it builds too much");
}

/** Refuses a string past {@linkcode MAX_STRING}. */
export function checkString(text: string): void {
  if (text.length > MAX_STRING) throw limit(`a string of ${text.length} characters is too long`);
}

/** Number of values that are weighed for one unit of work. */
const VALUES_A_UNIT = 16;

/**
 * The weight of a value, in about the characters of its JSON, shared parts counted each time. Values in `weights` are
 * not walked again. Weighing counts as work.
 */
export function weigh(value: unknown, meter: Pick<Meter, "work">, weights?: WeakMap<object, number>): number {
  let visits = 0;
  function visit(value: unknown, depth: number): number {
    if ((++visits & 255) === 0) meter.work(256 / VALUES_A_UNIT);
    if (typeof value === "string") return value.length + 2;
    if (typeof value !== "object" || value === null || isFunctionValue(value)) return 4;
    const known = weights?.get(value);
    if (known !== undefined) return known;
    if (depth > 250) throw limit("a value is nested too deeply");
    let weight = 2;
    if (Array.isArray(value)) {
      for (const item of value) {
        weight += visit(item, depth + 1) + 1;
        if (weight > MAX_WEIGHT) throw limit("a value is too large");
      }
    } else {
      for (const key of Object.keys(value)) {
        weight += key.length + 4 + visit((value as Record<string, unknown>)[key], depth + 1);
        if (weight > MAX_WEIGHT) throw limit("a value is too large");
      }
    }
    weights?.set(value, weight);
    return weight;
  }
  return visit(value, 0);
}

const BUILDS = new Set(["unary", "function", "apply", "bind", "binary", "block", "condition"]);

/**
 * Makes the hook for an expression that can build large values.
 *
 * @param options.weighed nodes whose results are weighed although they build nothing: operands of `=`, `in`, `&`
 * @param options.mutates true if the expression has a transform, which changes values after they were weighed
 */
export function createExitHook(options: { weighed: ReadonlySet<AstNode>; mutates: boolean }): ExitHook {
  const { weighed, mutates } = options;
  return function exitHook(expression, _input, { base: { meter } }, result) {
    if (typeof result === "string") {
      checkString(result);
      if (BUILDS.has(expression.type)) charge(meter, result.length);
    } else if (typeof result === "object" && result !== null) {
      if (BUILDS.has(expression.type) || weighed.has(expression)) {
        // Ranges and lists in brackets take no time in proportion to what they hold, so their memory is charged.
        const isMade = expression.type === "unary" || expression.type === "binary";
        if (Array.isArray(result)) charge(meter, result.length * (isMade ? 16 : 4));
        weigh(result, meter, mutates ? undefined : meter.weights);
      }
    }
    if (!meter.givesWay) return;
    const now = performance.now();
    if (now - meter.slice < SLICE_MS) return;
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
      meter.slice = performance.now();
    });
  };
}
