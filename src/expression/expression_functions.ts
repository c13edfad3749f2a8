/**
 * The functions that expressions can call: JSONata's own, each of them behind a guard.
 *
 * A built-in checks no limits while it runs. So the size of its arguments is counted as work before it starts, their
 * validation included, and functions whose cost is not proportional to that (`$pad`, `$join`, `$sort`, `$distinct`,
 * `$spread`, `$merge`, date pictures) are bounded or replaced. There is no `$eval`: every expression is parsed when its
 * workflow is stored.
 */
import jsonata from "jsonata";
import { charge, checkString, limit, MAX_STRING, weigh } from "./expression_limits.ts";
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
  if (weigh(args[0], this.environment.base.meter) > MAX_STRING) throw limit("a value is too large");
}

/** Refuses long pictures of numbers, and those that ask for a thousand digits. */
function checkPicture(this: Focus, args: unknown[]): void {
  const picture = args[1];
  if (typeof picture !== "string") return;
  if (picture.length > 256 || /[,-]\s*\d{3,}/.test(picture)) throw limit("a picture is too long");
}

/**
 * JSONata parses times with a backtracking regex made of the picture. So that there is only one way to match, each
 * component may occur once, few may be words, and none may be separated by digits.
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
  keys: checkSize,
  formatNumber: checkPicture,
  formatInteger: checkPicture,
  parseInteger: checkTimePicture,
  fromMillis: checkPicture,
  toMillis: checkTimePicture,
};

/** `$sort` with little memory: JSONata's own takes the square of the length. */
async function sort(this: Focus, arr: unknown[] | undefined, comparator?: (a: unknown, b: unknown) => unknown) {
  if (arr === undefined || arr.length <= 1) return arr;
  if (comparator === undefined) {
    const kind = typeof arr[0];
    if ((kind !== "number" && kind !== "string") || arr.some((item) => typeof item !== kind)) {
      throw { code: "D3070", stack: new Error().stack, index: 1 };
    }
    this.environment.base.meter.work(arr.length / 2);
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

/** A text that is the same for two values exactly if they are equal for JSONata. */
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
    const key = typeof value === "string" ? `s${value}` : typeof value === "object" ? `o${canonical(value)}` : value;
    this.environment.base.meter.work(1 + (typeof key === "string" ? key.length / 64 : 0));
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
    this.environment.base.guardrails();
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

/** `$merge` that can be stopped. */
function merge(this: Focus, arg: Record<string, unknown>[] | undefined) {
  if (arg === undefined) return undefined;
  const result = Object.create(null) as Record<string, unknown>;
  for (const item of arg) {
    const keys = Object.keys(item);
    this.environment.base.meter.work(1 + keys.length / 2);
    for (const key of keys) result[key] = item[key];
  }
  return result;
}

function now(this: Focus) {
  return this.environment.base.timestamp.toISOString();
}

function millis(this: Focus) {
  return this.environment.base.timestamp.getTime();
}

/** Gives a wrapper the original's arity and source text: JSONata reads parameter names from it. */
function disguise<F extends object>(wrapper: F, original: { length: number; toString(): string }): F {
  Object.defineProperty(wrapper, "length", { value: original.length });
  Object.defineProperty(wrapper, "toString", { value: () => original.toString() });
  return wrapper;
}

/** Functions that take nanoseconds an item, or a few a character. */
const CHEAP = new Set(
  "sum count max min average boolean not exists type contains lowercase uppercase substringBefore substringAfter error"
    .split(" "),
);

function guard(name: string, original: FunctionDefinition): FunctionDefinition {
  const { signature } = original;
  const replacements: Record<string, FunctionDefinition["implementation"]> = { sort, distinct, spread, merge };
  const implementation = replacements[name] ?? original.implementation;
  const check = CHECKS[name];
  const [charactersAUnit, itemsAUnit] = CHEAP.has(name) ? [2048, 512] : [32, 16];
  function guarded(this: Focus, ...given: never[]): unknown {
    const { base } = this.environment;
    const { meter } = base;
    base.guardrails();
    let args: unknown[] = given;
    // What is missing is what the function is called for.
    for (let index = args.length < original.implementation.length ? -1 : 0; index < args.length; index++) {
      const arg = index < 0 ? this.input : args[index];
      if (typeof arg === "string") {
        checkString(arg);
        if (arg.length > charactersAUnit) meter.work(arg.length / charactersAUnit);
      } else if (Array.isArray(arg) && arg.length > itemsAUnit) meter.work(arg.length / itemsAUnit);
    }
    if (signature !== undefined && this.createSequence !== undefined) args = signature.validate(args, this.input);
    check?.call(this, args);
    const result = implementation.apply(this, args as never[]);
    if (typeof result === "string") charge(meter, result.length);
    else if (Array.isArray(result)) charge(meter, result.length * 4);
    return result;
  }
  const { signature: _validatedHere, ...rest } = original;
  return { ...rest, implementation: disguise(guarded, original.implementation) };
}

const NAMES = [
  ..."sum count max min average string substring substringBefore substringAfter lowercase uppercase length".split(" "),
  ..."trim pad match contains replace split join formatNumber formatBase formatInteger parseInteger number".split(" "),
  ..."floor ceil round abs sqrt power random boolean not map zip filter single reduce sift keys lookup".split(" "),
  ..."append exists spread merge reverse each error assert type sort shuffle distinct base64encode".split(" "),
  ..."base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl toMillis fromMillis clone".split(" "),
];

/** JSONata's own functions, without their guards. */
export const ORIGINALS: ReadonlyMap<string, FunctionDefinition> = new Map(
  await Promise.all(NAMES.map(async (name): Promise<[string, FunctionDefinition]> => {
    // A variable's value: JSONata gives its own definition of the function.
    return [name, await jsonata(`$${name}`).evaluate(null) as FunctionDefinition];
  })),
);

async function guardAll(): Promise<ReadonlyMap<string, unknown>> {
  const functions = new Map<string, unknown>();
  for (const [name, original] of ORIGINALS) functions.set(name, guard(name, original));
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
