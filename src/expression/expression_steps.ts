/**
 * Replacements for parts of an expression that JSONata would run without limits, or by which it would change shared
 * data. `rewriteExpression` puts calls of them into the tree. No expression can contain their names.
 */
import { compare } from "./expression_functions.ts";
import { type Focus, type FunctionDefinition, isFunctionValue } from "./jsonata_internals.ts";

/** Replaces the step `*`: JSONata's own copies all that it has found for each member that is a list. */
export const WILDCARD = " wildcard";

/** Replaces the step `**`: JSONata's own checks no limit. */
export const DESCENDANTS = " descendants";

/**
 * Wraps the pattern of a transform. Refuses values outside of the copy that the transform changes: inputs, constants,
 * data of other executions.
 */
export const OWNED = " owned";

/** Wraps the operand of a grouping: JSONata adds an item to an empty list, which may belong to the input. */
export const FRESH = " fresh";

/** The item of which a step makes an object: as `FRESH`, for what has no operand. */
export const ITEM = " own item";

function wildcard(this: Focus) {
  let { input } = this;
  const results = this.environment.base.createSequence();
  if (Array.isArray(input) && (input as { outerWrapper?: boolean }).outerWrapper) input = input[0];
  if (typeof input !== "object" || input === null || isFunctionValue(input)) return results;
  for (const value of Array.isArray(input) ? input : Object.values(input)) {
    this.environment.base.meter.work(0.25);
    if (Array.isArray(value)) { for (const item of value.flat(Infinity)) results.push(item); }
    else results.push(value);
  }
  return results;
}

function descendants(this: Focus) {
  const { base } = this.environment;
  const results = base.createSequence();
  function visit(value: unknown): void {
    base.meter.work(0.25);
    if (Array.isArray(value)) { for (const item of value) visit(item); }
    else {
      results.push(value);
      if (typeof value !== "object" || value === null || isFunctionValue(value)) return;
      for (const key of Object.keys(value)) visit((value as Record<string, unknown>)[key]);
    }
  }
  if (this.input !== undefined) visit(this.input);
  return results;
}

function owned(this: Focus, matches: unknown) {
  const parts = new Set<unknown>([this.input]);
  for (const part of parts) {
    this.environment.base.meter.work(1);
    for (const child of Object.values(part as object)) {
      if (typeof child === "object" && child !== null) parts.add(child);
    }
  }
  for (const match of Array.isArray(matches) ? matches : [matches]) {
    if (typeof match === "object" && match !== null && !parts.has(match)) {
      throw { code: "transform", message: "a transform can change parts of what it is given only" };
    }
  }
  return matches;
}

function fresh(list: unknown) {
  return Array.isArray(list) && list.length === 0 ? [] : list;
}

function item(this: Focus) {
  return fresh(this.input);
}

/** Makes the replacement of an order-by; its arguments are the sequence and one function a term. */
export function createOrderBy(descending: readonly boolean[]): FunctionDefinition {
  return {
    _jsonata_function: true,
    async implementation(this: Focus, ...args: unknown[]) {
      const [items, ...terms] = args as [unknown, ...((item: unknown) => Promise<unknown>)[]];
      if (!Array.isArray(items)) return items;
      if (items.length <= 1) return this.environment.base.createSequence(...items);
      const rows: { item: unknown; keys: unknown[] }[] = [];
      for (const item of items) {
        const keys: unknown[] = [];
        for (const term of terms) keys.push(await term(item));
        rows.push({ item, keys });
      }
      this.environment.base.meter.work(rows.length * terms.length);
      rows.sort((a, b) => {
        for (let index = 0; index < descending.length; index++) {
          const order = compareKeys(a.keys[index], b.keys[index]);
          // As in JSONata, items without a key come last in either direction.
          if (order !== 0) return descending[index] && Number.isFinite(order) ? -order : Math.sign(order);
        }
        return 0;
      });
      return rows.map(({ item }) => item);
    },
  };
}

/** Infinite when a key is missing. */
function compareKeys(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? Infinity : -Infinity;
  for (const key of [a, b]) {
    if (typeof key !== "string" && typeof key !== "number") throw { code: "T2008", value: key, stack: "" };
  }
  if (typeof a !== typeof b) throw { code: "T2007", value: a, value2: b, stack: "" };
  return compare(a as string, b as string);
}

/** The functions by their names. */
export const STEPS: ReadonlyMap<string, FunctionDefinition> = new Map(
  Object.entries({ [WILDCARD]: wildcard, [DESCENDANTS]: descendants, [OWNED]: owned, [FRESH]: fresh, [ITEM]: item })
    .map(([name, implementation]) => [name, { _jsonata_function: true, implementation }]),
);
