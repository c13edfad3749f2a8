/**
 * The functions that expressions can call: JSONata's own, each of them behind a guard.
 *
 * A built-in runs to its end without a look at the clock, so each of them looks before it starts, and those whose cost
 * is not in proportion to what they are given (`$pad`, `$join`, `$sort`, `$distinct`, `$spread`, date pictures) are
 * bounded or replaced. There is no `$eval`: what runs was parsed when the workflow was stored.
 */
import jsonata from "jsonata";
import { checkJson } from "../json.ts";
import { charge, checkString, limit, MAX_STRING } from "./expression_limits.ts";
import { type Focus, type FunctionDefinition, isFunctionValue } from "./jsonata_internals.ts";

type Check = (this: Focus, args: unknown[]) => void;

function checkPad(this: Focus, args: unknown[]): void {
  if (Math.abs(args[1] as number) > MAX_STRING) throw limit(`$pad() to a width of ${args[1]} is too long`);
}

function checkJoin(this: Focus, args: unknown[]): void {
  const [parts, separator = ""] = args as [string[] | undefined, string?];
  if (parts === undefined) return;
  let size = separator.length * parts.length;
  for (const part of parts) size += part.length;
  if (size > MAX_STRING) throw limit(`$join() to ${size} characters is too long`);
}

function checkSize(this: Focus, args: unknown[]): void {
  if (typeof args[0] !== "object" || args[0] === null) return;
  if (checkJson(args[0], { maxDepth: 250, maxSize: MAX_STRING }) === "too_large") throw limit("a value is too large");
}

/** Pictures are short, and none asks for a thousand digits. */
function checkPicture(this: Focus, args: unknown[]): void {
  const picture = args[1];
  if (typeof picture !== "string") return;
  if (picture.length > 256 || /[,-]\s*\d{3,}/.test(picture)) throw limit("a picture is too long");
}

/**
 * JSONata parses times with a backtracking regex made of the picture: so that it has one way to match, a component
 * comes once, few of them are words, and no digits stand between them.
 */
function checkTimePicture(this: Focus, args: unknown[]): void {
  checkPicture.call(this, args);
  const [text, picture] = args;
  if (typeof text === "string" && text.length > 128) throw limit("a time is too long");
  if (typeof picture !== "string") return;
  const parts = picture.match(/\[[^\]]*\]/g) ?? [];
  const components = new Set(parts.map((part) => part.replace(/\s/g, "")[1]));
  const words = parts.filter((part) => /[NnWwIiAa]/.test(part.slice(2))).length;
  if (components.size < parts.length || words > 3 || /\d/.test(picture.replace(/\[[^\]]*\]/g, ""))) {
    throw limit(`the picture "${picture}" is not supported for parsing`);
  }
}

const CHECKS: Readonly<Record<string, Check>> = {
  pad: checkPad,
  join: checkJoin,
  string: checkSize,
  clone: checkSize,
  formatNumber: checkPicture,
  formatInteger: checkPicture,
  parseInteger: checkTimePicture,
  fromMillis: checkPicture,
  toMillis: checkTimePicture,
};

/** `$sort` without a list of lists for every merge: JSONata's own takes memory in the square of the length. */
async function sort(this: Focus, arr: unknown[] | undefined, comparator?: (a: unknown, b: unknown) => unknown) {
  if (arr === undefined || arr.length <= 1) return arr;
  if (comparator === undefined) {
    const kind = typeof arr[0];
    if ((kind !== "number" && kind !== "string") || arr.some((item) => typeof item !== kind)) {
      throw { code: "D3070", stack: new Error().stack, index: 1 };
    }
    return [...arr].sort((a, b) => compare(a as string, b as string));
  }
  let runs: unknown[][] = arr.map((item) => [item]);
  while (runs.length > 1) {
    const merged: unknown[][] = [];
    for (let index = 0; index < runs.length; index += 2) {
      const left = runs[index] as unknown[];
      const right = runs[index + 1] ?? [];
      const run: unknown[] = [];
      let l = 0;
      let r = 0;
      while (l < left.length && r < right.length) {
        this.environment.base.guardrails();
        if (await comparator.call(this, left[l], right[r])) run.push(right[r++]);
        else run.push(left[l++]);
      }
      while (l < left.length) run.push(left[l++]);
      while (r < right.length) run.push(right[r++]);
      merged.push(run);
    }
    runs = merged;
  }
  return runs[0];
}

/** Orders two texts or two numbers. */
export function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A text that two values share exactly if JSONata calls them equal. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return { "": Object.entries(item).sort(([a], [b]) => compare(a, b)) };
  });
}

/** `$distinct` in linear time. */
function distinct(this: Focus, arr: unknown) {
  if (!Array.isArray(arr) || arr.length <= 1) return arr;
  const seen = new Set<unknown>();
  const results = (arr as { sequence?: boolean }).sequence ? this.environment.base.createSequence() : [];
  for (const value of arr) {
    this.environment.base.guardrails();
    const key = typeof value === "string" ? `s${value}` : typeof value === "object" ? `o${canonical(value)}` : value;
    if (seen.has(key)) continue;
    seen.add(key);
    results.push(value);
  }
  return results;
}

/** `$spread` in linear time. */
function spread(this: Focus, arg: unknown) {
  if (typeof arg !== "object" || arg === null || isFunctionValue(arg)) return arg;
  const result = this.environment.base.createSequence();
  const items: unknown[] = Array.isArray(arg) ? arg.flat(64) : [arg];
  for (const item of items) {
    if (typeof item !== "object" || item === null) {
      result.push(item);
      continue;
    }
    for (const [key, value] of Object.entries(item)) {
      const single = Object.create(null) as Record<string, unknown>;
      single[key] = value;
      result.push(single);
    }
  }
  return result;
}

function now(this: Focus) {
  return this.environment.base.timestamp.toISOString();
}

function millis(this: Focus) {
  return this.environment.base.timestamp.getTime();
}

/** JSONata asks for a function's arity and reads its parameters' names from its text. */
function disguise<F extends object>(wrapper: F, original: { length: number; toString(): string }): F {
  Object.defineProperty(wrapper, "length", { value: original.length });
  Object.defineProperty(wrapper, "toString", { value: () => original.toString() });
  return wrapper;
}

function guard(name: string, original: FunctionDefinition): FunctionDefinition {
  const replacements: Record<string, FunctionDefinition["implementation"]> = { sort, distinct, spread };
  const implementation = replacements[name] ?? original.implementation;
  const check = CHECKS[name];
  function guarded(this: Focus, ...args: never[]): unknown {
    const { base } = this.environment;
    base.guardrails();
    for (const arg of args as unknown[]) if (typeof arg === "string") checkString(arg);
    check?.call(this, args);
    const result = implementation.apply(this, args);
    if (typeof result === "string") charge(base, result.length);
    else if (Array.isArray(result)) charge(base, result.length * 4);
    return result;
  }
  return { ...original, implementation: disguise(guarded, original.implementation) };
}

const NAMES = [
  ..."sum count max min average string substring substringBefore substringAfter lowercase uppercase length".split(" "),
  ..."trim pad match contains replace split join formatNumber formatBase formatInteger parseInteger number".split(" "),
  ..."floor ceil round abs sqrt power random boolean not map zip filter single reduce sift keys lookup".split(" "),
  ..."append exists spread merge reverse each error assert type sort shuffle distinct base64encode".split(" "),
  ..."base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl toMillis fromMillis clone".split(" "),
];

async function guardAll(): Promise<ReadonlyMap<string, unknown>> {
  const functions = new Map<string, unknown>();
  for (const name of NAMES) {
    // A variable's value: JSONata gives its own definition of the function.
    const original = await jsonata(`$${name}`).evaluate(null) as FunctionDefinition;
    functions.set(name, guard(name, original));
  }
  const nowOriginal = await jsonata("$now").evaluate(null) as FunctionDefinition;
  const fromMillis = functions.get("fromMillis") as FunctionDefinition;
  functions.set("now", {
    ...nowOriginal,
    implementation: disguise(function (this: Focus, picture?: string, timezone?: string) {
      if (picture === undefined && timezone === undefined) return now.call(this);
      return fromMillis.implementation.apply(this, [millis.call(this), picture, timezone] as never[]);
    }, nowOriginal.implementation),
  });
  functions.set("millis", { _jsonata_function: true, implementation: millis });
  functions.set("eval", undefined);
  return functions;
}

/** Every function that an expression can call. */
export const FUNCTIONS: ReadonlyMap<string, unknown> = await guardAll();
