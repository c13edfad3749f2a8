/**
 * Direct expressions: what most workflows calculate, such as `$sum(items.(price * quantity))`, compiled to closures that
 * give the value at once. JSONata's own evaluator gives a promise for every node.
 *
 * 1. A direct expression gives exactly what JSONata gives, within our limits, or nothing: where a node has no direct
 *    form the expression has none, and where an evaluation comes upon anything unusual (a type that is wrong or
 *    converted, data that looks like a function, a list as input, much work, a long text) it is left to JSONata, from its
 *    beginning. Expressions have no side effects, so this cannot be noticed. Every error is JSONata's.
 * 2. It costs no more than its budget, which is less than what JSONata may take on the main thread.
 * 3. Names mean what they mean in JSONata, since an expression that binds one has no direct form.
 */
import type { JsonValue } from "../lib/json.ts";
import { compileArray, compileObject } from "./direct_constructors.ts";
import { compileCall } from "./direct_functions.ts";
import { compileBinary, compileNegation } from "./direct_operators.ts";
import { compilePath, compilePredicates } from "./direct_path.ts";
import { built, type Direct, type DirectCompiler, DirectRun, giveUp, passing, truth } from "./direct_run.ts";
import { hasOnly } from "./expression_path.ts";
import { cleanResult } from "./expression_result.ts";
import type { AstNode } from "./jsonata_internals.ts";
import type { Scope } from "./scope.ts";

/** Evaluates a direct expression: its clean value, `null` where there is none, or `undefined` to leave it to JSONata. */
export type DirectExpression = (scope: Scope, options: { readonly maxSize: number }) => JsonValue | undefined;

/** The deepest tree with a direct form, in nodes. */
const MAX_DEPTH = 50;

/** Compiles a parsed expression that was not rewritten yet; `undefined` if it has no direct form. */
export function compileDirect(root: AstNode): DirectExpression | undefined {
  let evaluate: Direct;
  try {
    evaluate = new Compiler().compile(root);
  } catch {
    return undefined;
  }
  return (scope, { maxSize }) => {
    const { input } = scope;
    // JSONata keeps a list at the root in a list, so that it is one input.
    if (Array.isArray(input)) return undefined;
    const run = new DirectRun(scope);
    try {
      return cleanResult(evaluate(passing(input), run), { maxSize, meter: run });
    } catch {
      // Whatever it is, JSONata finds it too, and says it in its own words.
      return undefined;
    }
  };
}

/** What a node of each type may have besides `predicate`: anything else changes its meaning. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  path: ["type", "steps"],
  variable: ["type", "value", "position"],
  string: ["type", "value", "position"],
  number: ["type", "value", "position"],
  value: ["type", "value", "position"],
  block: ["type", "position", "expressions"],
  condition: ["type", "position", "condition", "then", "else"],
  binary: ["type", "value", "position", "lhs", "rhs"],
  unary: ["type", "value", "position", "expression", "expressions", "lhs"],
  function: ["type", "name", "value", "position", "arguments", "procedure"],
};

class Compiler implements DirectCompiler {
  grows = false;
  #depth = 0;

  compile({ predicate, ...node }: AstNode): Direct {
    if (!Object.hasOwn(MEMBERS, node.type) || !hasOnly(node as AstNode, MEMBERS[node.type]!)) giveUp();
    if (++this.#depth > MAX_DEPTH) giveUp();
    const direct = this.#compile(node as AstNode);
    this.#depth--;
    return predicate === undefined ? direct : compilePredicates(direct, predicate as AstNode[], this);
  }

  #compile(node: AstNode): Direct {
    switch (node.type) {
      case "path":
        return compilePath(node, this);
      case "variable":
        return compileVariable(node);
      case "block":
        return this.#compileBlock(node);
      case "condition":
        return this.#compileCondition(node);
      case "binary":
        return compileBinary(node, this);
      case "function":
        return compileCall(node, this);
      case "unary":
        if (node.value === "-") return compileNegation(node, this);
        return node.value === "[" ? compileArray(node, this) : compileObject(node, this);
    }
    const { value } = node;
    return () => value;
  }

  /** Parentheses. */
  #compileBlock({ expressions = [] }: AstNode): Direct {
    const [only] = expressions;
    if (only === undefined || expressions.length > 1) giveUp();
    const evaluate = this.compile(only);
    return (context, run) => {
      run.work(1);
      return built(evaluate(context, run), this, run);
    };
  }

  #compileCondition(node: AstNode): Direct {
    const condition = this.compile(node.condition as AstNode);
    const then = this.compile(node.then as AstNode);
    const otherwise = node.else === undefined ? undefined : this.compile(node.else as AstNode);
    return (context, run) => {
      run.work(1);
      const branch = truth(condition(context, run)) ? then : otherwise;
      return built(branch?.(context, run), this, run);
    };
  }
}

/** `$nodes` is read in paths only: see `direct_path.ts`. */
function compileVariable({ value }: AstNode): Direct {
  switch (value) {
    case "":
      return (context) => {
        // What JSONata takes for its own mark.
        if ((context as { outerWrapper?: unknown } | null | undefined)?.outerWrapper) giveUp();
        return passing(context);
      };
    case "$":
      return (_context, { scope }) => scope.input;
    case "trigger":
      return (_context, { scope }) => passing(scope.trigger);
    case "execution":
      return (_context, { scope }) => scope.execution;
  }
  return giveUp();
}
