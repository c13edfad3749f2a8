/**
 * Expressions: JSONata, parsed once a version and evaluated any number of times, also at the same time, within limits
 * of time, depth and size. Bare names read the input; `$trigger`, `$nodes` and `$execution` are bound. An expression
 * sees nothing else: not the host, not the environment, not a prototype.
 *
 * @example
 * ```ts
 * const total = compileExpression("$sum(items.(price * quantity))");
 * await total.evaluate({ input: { items: [] }, trigger: null, nodes: {}, execution });
 * ```
 */
import jsonata from "jsonata";
import { TerminalError } from "../errors.ts";
import type { JsonValue } from "../json.ts";
import type { Scope } from "./definition.ts";
import { MAX_SEQUENCE, MAX_WEIGHT } from "./expression_limits.ts";
import { type AstNode, isFunctionValue, type JsonataFailure } from "./jsonata_internals.ts";
import { ExpressionRefused, rewriteExpression } from "./expression_rewrite.ts";
import { LinearRegex } from "./linear_regex.ts";

/** Limits of an evaluation. */
export interface ExpressionLimits {
  /** Wall-clock time of one evaluation; default 1000. */
  readonly timeoutMs?: number;
  /** Steps that may wait inside each other, those of lists side by side counted too; default 20 000. */
  readonly maxDepth?: number;
  /** The result's size in about the characters of its JSON; default 16 Mi. */
  readonly maxSize?: number;
}

/** A parsed expression. */
export interface Expression {
  readonly source: string;
  /**
   * Gives a clean JSON value; what has no value is `null`. A plain path is answered at once, all else by a promise.
   *
   * Throws or rejects with a `TerminalError` whose code is `expression_error`, `expression_timeout` or
   * `expression_limit`.
   */
  evaluate(scope: Scope): JsonValue | Promise<JsonValue>;
}

/** An expression cannot be parsed; the message says why and where. */
export class ExpressionSyntaxError extends Error {
  override readonly name = "ExpressionSyntaxError";
}

/** The longest expression, in characters. */
const MAX_SOURCE = 16_384;

/** How deep a result may be nested. */
const MAX_RESULT_DEPTH = 200;

/** Parses an expression. Throws {@linkcode ExpressionSyntaxError}. */
export function compileExpression(source: string, limits: ExpressionLimits = {}): Expression {
  const { timeoutMs = 1000, maxDepth = 20_000, maxSize = MAX_WEIGHT } = limits;
  const { compiled, path, variables } = parse(source, { timeoutMs, maxDepth });
  const usesNodes = variables.has("nodes");

  async function evaluateSlowly(scope: Scope): Promise<JsonValue> {
    const { input, trigger, execution } = scope;
    const nodes = usesNodes ? { ...scope.nodes } : {};
    try {
      return cleanResult(await compiled.evaluate(input, { trigger, nodes, execution }), { maxSize });
    } catch (failure) {
      throw toTerminalError(failure, { source, timeoutMs });
    }
  }

  if (path === undefined) return { source, evaluate: evaluateSlowly };
  return {
    source,
    evaluate(scope) {
      const value = readPath(path, scope);
      return value === undefined ? evaluateSlowly(scope) : value;
    },
  };
}

function parse(source: string, options: { timeoutMs: number; maxDepth: number }) {
  const { timeoutMs, maxDepth } = options;
  if (source.length > MAX_SOURCE) {
    throw new ExpressionSyntaxError(`Cannot parse an expression of ${source.length} characters: at most ${MAX_SOURCE}`);
  }
  class Regex extends LinearRegex {
    constructor(literal: RegExp) {
      super(literal, { timeoutMs });
    }
  }
  try {
    const compiled = jsonata(source, {
      timeout: timeoutMs,
      stack: maxDepth,
      sequence: MAX_SEQUENCE,
      RegexEngine: Regex as unknown as RegExpConstructor,
    });
    // The environment takes symbols too, though its type does not say so.
    const bind = compiled.assign as (name: string | symbol, value: unknown) => void;
    return {
      compiled,
      path: plainPath(compiled.ast() as AstNode),
      ...rewriteExpression(compiled.ast() as AstNode, bind),
    };
  } catch (error) {
    if (error instanceof ExpressionRefused) {
      throw new ExpressionSyntaxError(`Cannot use "${shorten(source)}": ${error.message}`);
    }
    const { message, position } = error as JsonataFailure;
    const place = position === undefined ? "" : ` at position ${position}`;
    throw new ExpressionSyntaxError(`Cannot parse "${shorten(source)}"${place}: ${message ?? "syntax error"}`);
  }
}

/** A path of names alone, such as `body.user.name` or `$trigger.body`. */
interface PlainPath {
  readonly root: "input" | "trigger" | "nodes" | "execution";
  readonly names: readonly string[];
}

const ROOTS: Readonly<Record<string, PlainPath["root"]>> = {
  "": "input",
  $: "input",
  trigger: "trigger",
  nodes: "nodes",
  execution: "execution",
};

function hasOnly(node: AstNode, keys: readonly string[]): boolean {
  return Object.keys(node).every((key) => keys.includes(key));
}

function plainPath(ast: AstNode): PlainPath | undefined {
  if (ast.type === "variable" && hasOnly(ast, ["type", "value", "position"])) {
    const root = ROOTS[ast.value as string];
    return root === undefined ? undefined : { root, names: [] };
  }
  if (ast.type !== "path" || !hasOnly(ast, ["type", "steps"])) return undefined;
  const steps = [...ast.steps ?? []];
  if (!steps.every((step) => hasOnly(step, ["type", "value", "position"]))) return undefined;
  let root: PlainPath["root"] | undefined = "input";
  if (steps[0]?.type === "variable") root = ROOTS[steps.shift()?.value as string];
  if (root === undefined || !steps.every(({ type }) => type === "name")) return undefined;
  return { root, names: steps.map(({ value }) => value as string) };
}

/** What JSONata would answer, or `undefined` where a list or a look-alike of a function makes its answer less plain. */
function readPath(path: PlainPath, scope: Scope): JsonValue | undefined {
  let value = scope[path.root] as JsonValue | undefined;
  // As they are now: an output that held those to come would hold itself.
  if (path.names.length === 0 && path.root === "nodes") return { ...scope.nodes };
  if (path.names.length === 0) return Array.isArray(value) ? undefined : value ?? null;
  for (const name of path.names) {
    if (typeof value !== "object" || value === null) return value === undefined ? undefined : null;
    if (Array.isArray(value) || value._jsonata_lambda === true || value._jsonata_function === true) return undefined;
    if (!Object.hasOwn(value, name)) return null;
    value = value[name];
  }
  return value;
}

/**
 * Makes JSON of a result in place: sequences become plain arrays, what is not finite `null`. Only what the evaluation
 * made needs a change, so what belongs to the input stays untouched.
 */
function cleanResult(result: unknown, options: { maxSize: number }): JsonValue {
  let size = 0;
  function clean(value: unknown, depth: number): JsonValue | undefined {
    size += 4;
    if (typeof value === "string") size += value.length;
    if (size > options.maxSize) throw { code: "limit", message: "its result is too large" };
    if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    if (value === undefined) return undefined;
    if (typeof value !== "object" || isFunctionValue(value)) {
      throw { code: "function", message: "it gives a function, which is no JSON value" };
    }
    if (depth > MAX_RESULT_DEPTH) throw { code: "limit", message: "its result is nested too deeply" };
    if (Array.isArray(value)) {
      const list: unknown[] = isMarked(value) ? value.slice() : value;
      for (let index = 0; index < list.length; index++) {
        const item = clean(list[index], depth + 1) ?? null;
        if (item !== list[index]) list[index] = item;
      }
      return list as JsonValue[];
    }
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      size += key.length;
      const item = clean(object[key], depth + 1) ?? null;
      if (item !== object[key]) object[key] = item;
    }
    return object as JsonValue;
  }
  return clean(result, 0) ?? null;
}

/** True for an array with the marks that JSONata puts on those it makes. */
function isMarked(array: unknown[] & { sequence?: unknown; cons?: unknown }): boolean {
  return array.sequence === true || array.cons === true || Object.hasOwn(array, "push");
}

const MESSAGES = {
  expression_timeout: "An expression took too long",
  expression_limit: "An expression was stopped at a limit",
  expression_error: "An expression failed",
} as const;

function toTerminalError(failure: unknown, options: { source: string; timeoutMs: number }): TerminalError {
  const { code, message } = failure as JsonataFailure;
  function error(code: keyof typeof MESSAGES, what: string): TerminalError {
    return new TerminalError(code, MESSAGES[code], { detail: `"${shorten(options.source)}" ${what}` });
  }
  switch (code) {
    case "D1012":
      return error("expression_timeout", `took longer than ${options.timeoutMs} ms`);
    case "limit":
    case "D1011":
    case "D2014":
    case "D2015":
      return error("expression_limit", `was stopped: ${shorten(message ?? "", 300)}`);
  }
  // What the runtime itself refuses, such as a string of a gigabyte.
  const isLimit = failure instanceof RangeError;
  return error(
    isLimit ? "expression_limit" : "expression_error",
    `failed: ${shorten(message ?? String(failure), 300)}`,
  );
}

function shorten(text: string, length = 80): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
