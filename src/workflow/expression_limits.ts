/**
 * Holds a running JSONata expression to its limits where JSONata's own (`timeout`, `stack`, `sequence`) do not reach.
 * The functions that expressions call keep them too: see `expression_functions.ts`.
 *
 * 1. A value may hold another one twice, so thirty steps can build what takes a gigabyte to walk. Where an expression
 *    can do that (see `rewriteExpression`) a hook weighs every value that it builds, shared parts counted each time.
 * 2. What is built and dropped again is charged to the evaluation, so that garbage is bounded too.
 * 3. The hook gives way to the event loop every few milliseconds.
 */
import { type AstNode, type BaseFrame, type ExitHook, isFunctionValue } from "./jsonata_internals.ts";

/** The longest string that an expression may handle, in UTF-16 code units. */
export const MAX_STRING = 4 << 20;

/** The most items of a sequence. */
export const MAX_SEQUENCE = 100_000;

/** The heaviest value, in about the characters of its JSON. */
export const MAX_WEIGHT = 16 << 20;

/** What one evaluation may build in all: characters, four for an item, sixteen for one that stands nowhere before. */
const MAX_CHARGE = 64 << 20;

/** How long an expression may run before it lets others run. */
const SLICE_MS = 10;

/** What is thrown inside JSONata when a limit is passed; `code` is read by `expression.ts`. */
export interface LimitFailure {
  readonly code: "limit";
  readonly message: string;
}

interface Account {
  charged: number;
  slice: number;
  weights: WeakMap<object, number> | undefined;
}

const accounts = new WeakMap<BaseFrame, Account>();

/** Makes what is thrown when a limit is passed. */
export function limit(message: string): LimitFailure {
  return { code: "limit", message };
}

function accountOf(base: BaseFrame): Account {
  let account = accounts.get(base);
  if (account === undefined) {
    account = { charged: 0, slice: Date.now(), weights: new WeakMap() };
    accounts.set(base, account);
  }
  return account;
}

/** Charges what was built to the evaluation; small things are free. */
export function charge(base: BaseFrame, amount: number): void {
  if (amount < 1024) return;
  const account = accountOf(base);
  account.charged += amount;
  if (account.charged > MAX_CHARGE) throw limit("it builds too much");
}

/** Refuses a string past {@linkcode MAX_STRING}. */
export function checkString(text: string): void {
  if (text.length > MAX_STRING) throw limit(`a string of ${text.length} characters is too long`);
}

/** Counts a value's weight, shared parts each time; each part is walked once an evaluation. */
function weigh(value: unknown, weights: WeakMap<object, number> | undefined, depth = 0): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null || isFunctionValue(value)) return 4;
  const known = weights?.get(value);
  if (known !== undefined) return known;
  if (depth > 250) throw limit("a value is nested too deeply");
  let weight = 2;
  if (Array.isArray(value)) {
    for (const item of value) {
      weight += weigh(item, weights, depth + 1) + 1;
      if (weight > MAX_WEIGHT) throw limit("a value is too large");
    }
  } else {
    for (const key of Object.keys(value)) {
      weight += key.length + 4 + weigh((value as Record<string, unknown>)[key], weights, depth + 1);
      if (weight > MAX_WEIGHT) throw limit("a value is too large");
    }
  }
  weights?.set(value, weight);
  return weight;
}

const BUILDS = new Set(["unary", "function", "apply", "bind", "binary", "block", "condition"]);

/**
 * The hook for an expression that can build large values.
 *
 * @param options.weighed nodes whose results are weighed although they build nothing: operands of `=`, `in`, `&`
 * @param options.mutates true if the expression has a transform, which changes values after they were weighed
 */
export function createExitHook(options: { weighed: ReadonlySet<AstNode>; mutates: boolean }): ExitHook {
  const { weighed, mutates } = options;
  return function exitHook(expression, _input, frame, result) {
    const { base } = frame;
    const account = accountOf(base);
    if (typeof result === "string") {
      checkString(result);
      if (BUILDS.has(expression.type)) charge(base, result.length);
    } else if (typeof result === "object" && result !== null) {
      if (BUILDS.has(expression.type) || weighed.has(expression)) {
        // Ranges and lists in brackets take no time in proportion to what they hold, so their memory is charged.
        const isMade = expression.type === "unary" || expression.type === "binary";
        if (Array.isArray(result)) charge(base, result.length * (isMade ? 16 : 4));
        weigh(result, mutates ? undefined : account.weights);
      }
    }
    const now = Date.now();
    if (now - account.slice < SLICE_MS) return;
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
      account.slice = Date.now();
    });
  };
}
