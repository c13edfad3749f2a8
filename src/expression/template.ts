/**
 * Templates: JSON in which strings may hold `{{ expressions }}`.
 *
 * A string that is one expression becomes the expression's value. Text around it, or several expressions, make a string,
 * in which objects and lists are JSON and `null` is empty.
 *
 * @example
 * ```ts
 * const template = compileTemplate({ hello: "Dear {{ body.name }}" }, { pointer: "", fault: console.error });
 * ```
 */
import { type JsonObject, type JsonValue, setMember } from "../lib/json.ts";
import { whenReady } from "../lib/when_ready.ts";
import { freezeConstant } from "./constant.ts";
import type { Scope, Template } from "./scope.ts";
import { compileExpression, type Expression, type ExpressionLimits, ExpressionSyntaxError } from "./expression.ts";
import { MAX_WEIGHT } from "./expression_limits.ts";
import { OutputBudget } from "./output_budget.ts";
import { PARSE_LIMITS, ParseBudget } from "./parse_budget.ts";

/** Options of {@linkcode compileTemplate}. */
export interface TemplateOptions {
  /** JSON pointer (RFC 6901) of the template; pointers of faults begin with it. Required. */
  readonly pointer: string;
  /** Called for each expression that cannot be parsed. Required. */
  readonly fault: (pointer: string, detail: string) => void;
  /** What an expression of the template may cost. Default `DEFAULT_LIMITS`. */
  readonly limits?: ExpressionLimits;
  /** Characters of JSON, about, of the largest value that the template may make. Default 16 Mi. */
  readonly maxOutputBytes?: number;
  /** Limits of parsing, shared by the templates of one definition. Default those of one template. */
  readonly budget?: ParseBudget;
}

/** Something to evaluate; gives a promise only where an expression does. */
type Evaluate = (scope: Scope, room: OutputBudget) => JsonValue | Promise<JsonValue>;

/** A part of a template: a constant, or something to evaluate. */
type Part = { readonly constant: JsonValue } | { readonly evaluate: Evaluate };

/** True for a string with an expression in it. */
export function hasExpression(value: unknown): value is string {
  return typeof value === "string" && value.includes("{{");
}

/** One segment of a JSON pointer (RFC 6901, section 3). */
export function pointerSegment(key: string | number): string {
  return `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/**
 * Compiles a template. Its values must not be changed: parts without expressions are frozen, and shared by all
 * evaluations. It throws or rejects with a `TerminalError`: those of expressions, or `output_too_large`.
 */
export function compileTemplate(value: JsonValue, options: TemplateOptions): Template {
  const { maxOutputBytes = MAX_WEIGHT, budget = new ParseBudget() } = options;
  const part = compilePart(value, options.pointer, { ...options, budget });
  if ("constant" in part) {
    const { constant } = part;
    return () => constant;
  }
  const { evaluate } = part;
  return (scope) => evaluate(scope, new OutputBudget(maxOutputBytes));
}

type PartOptions = TemplateOptions & { readonly budget: ParseBudget };

function compilePart(value: JsonValue, pointer: string, options: PartOptions): Part {
  if (typeof value === "string") return compileText(value, pointer, options);
  if (typeof value !== "object" || value === null) return { constant: value };
  const keys = Object.keys(value);
  const parts = keys.map((key) =>
    compilePart((value as Record<string, JsonValue>)[key] as JsonValue, pointer + pointerSegment(key), options)
  );
  const isList = Array.isArray(value);
  if (parts.every((part) => "constant" in part)) return { constant: freezeConstant(value) };
  for (const part of parts) if ("constant" in part) freezeConstant(part.constant);
  const items = parts.map((part): Evaluate => "constant" in part ? () => part.constant : part.evaluate);
  function add(result: JsonObject | JsonValue[], item: JsonValue, index: number): JsonObject | JsonValue[] {
    if (Array.isArray(result)) result.push(item);
    else setMember(result, keys[index] as string, item);
    return result;
  }
  return { evaluate: (scope, room) => evaluateEach(items, { scope, room, made: isList ? [] : {}, add }) };
}

/** How the values of parts are put together, and for what they are evaluated. */
interface Making<T> {
  readonly scope: Scope;
  readonly room: OutputBudget;
  /** What there is before the first part. */
  readonly made: T;
  readonly add: (made: T, value: JsonValue, index: number) => T;
}

/** Evaluates parts in turn: at once up to the first promise, by a promise from there on. */
function evaluateEach<T>(parts: readonly Evaluate[], { scope, room, made, add }: Making<T>): T | Promise<T> {
  for (let index = 0; index < parts.length; index++) {
    const value = parts[index]!(scope, room);
    if (value instanceof Promise) return goOn(value, index);
    made = add(made, value, index);
  }
  return made;

  async function goOn(first: Promise<JsonValue>, start: number): Promise<T> {
    made = add(made, await first, start);
    for (let index = start + 1; index < parts.length; index++) {
      const value = parts[index]!(scope, room);
      made = add(made, value instanceof Promise ? await value : value, index);
    }
    return made;
  }
}

function compileText(text: string, pointer: string, options: PartOptions): Part {
  if (!hasExpression(text)) return { constant: text };
  const { budget } = options;
  // Not begun where the tries cannot suffice.
  if (!budget.allows(text.split("{{", PARSE_LIMITS.tries + 2).length - 1)) {
    const complaint = budget.complaint();
    if (complaint !== undefined) options.fault(pointer, complaint);
    return { constant: null };
  }
  const parts: (string | Expression)[] = [];
  for (let position = 0; position < text.length;) {
    const start = text.indexOf("{{", position);
    parts.push(text.slice(position, start < 0 ? undefined : start));
    if (start < 0) break;
    const found = findExpression(text, start + 2, options);
    if (!("end" in found)) {
      if (found.problem !== undefined) options.fault(pointer, found.problem);
      return { constant: null };
    }
    parts.push(found.expression);
    position = found.end;
  }
  const expressions = parts.filter((part) => typeof part !== "string");
  const isAlone = parts.every((part) => typeof part !== "string" || part.trim() === "");
  const [only] = expressions;
  if (only !== undefined && expressions.length === 1 && isAlone) {
    return {
      evaluate: (scope, room) =>
        whenReady(only.evaluate(scope), (value) => {
          room.take(value);
          return value;
        }),
    };
  }
  const texts = parts.map((part): Evaluate => typeof part === "string" ? () => part : part.evaluate);
  return {
    evaluate(scope, room) {
      function add(made: string, value: JsonValue): string {
        const text = toText(value, room);
        room.takeText(text.length);
        return made + text;
      }
      return evaluateEach(texts, { scope, room, made: "", add });
    },
  };
}

/** Number of `}}` that are tried as the end of one expression. */
const MAX_TRIES = 100;

/** Finds the first `}}` up to which the text is an expression, else the fault, if it was not reported before. */
function findExpression(
  text: string,
  start: number,
  options: PartOptions,
): { expression: Expression; end: number } | { problem: string | undefined } {
  const { budget, limits } = options;
  let problem: string | undefined;
  let end = text.indexOf("}}", start);
  for (let tries = 0; end >= 0 && tries < MAX_TRIES; tries++, end = text.indexOf("}}", end + 1)) {
    if (!budget.take(end - start)) return { problem: budget.complaint() };
    const source = text.slice(start, end).trim();
    if (source === "") return { problem: "Cannot parse an empty expression" };
    try {
      return { expression: compileExpression(source, limits), end: end + 2 };
    } catch (error) {
      if (!(error instanceof ExpressionSyntaxError)) throw error;
      problem ??= error.message;
    }
  }
  return { problem: problem ?? `Cannot find the "}}" that closes "${text.slice(start - 2, start + 40)}"` };
}

function toText(value: JsonValue, room: OutputBudget): string {
  if (value === null) return "";
  if (typeof value !== "object") return String(value);
  room.check(value);
  return JSON.stringify(value);
}
