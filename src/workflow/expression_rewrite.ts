/**
 * Changes a parsed JSONata expression before it runs for the first time, where limits cannot be kept from outside:
 *
 * 1. The step `*` becomes a function call: JSONata's own copies all it has found for each member that is a list.
 * 2. The order-by `a^(b)` becomes a function call: JSONata's own keeps a copy of the rest of both lists for each item
 *    that it merges.
 * 3. What must be weighed while it runs is listed (see `expression_limits.ts`).
 */
import { type AstNode, EXIT_HOOK } from "./jsonata_internals.ts";
import { createOrderBy, WILDCARD } from "./expression_functions.ts";
import { createExitHook } from "./expression_limits.ts";
import { compileRegex } from "./linear_regex.ts";

/** What to bind in the environment of a rewritten expression. */
export type Bindings = (name: string | symbol, value: unknown) => void;

/** An expression was refused; `position` as JSONata has it. */
export class ExpressionRefused extends Error {}

/** Kinds of nodes with which an expression can build a value that is much larger than what it was given. */
const GROWS = new Set(["bind", "lambda", "partial", "apply", "transform", "descendant"]);

/**
 * Rewrites the tree in place. Throws {@linkcode ExpressionRefused} for what cannot be held to the limits: `$eval`,
 * regexes with look-around or back-references, and order-by together with `@`, `#` or `%`.
 */
export function rewriteExpression(root: AstNode, bind: Bindings): void {
  const nodes = collect(root);
  const weighed = new Set<AstNode>();
  let grows = false;
  let mutates = false;
  for (const node of nodes) {
    if (GROWS.has(node.type)) grows = true;
    if (node.type === "transform") mutates = true;
    if (node.type === "variable" && node.value === "eval") throw new ExpressionRefused("$eval is not available");
    if (node.type === "regex") checkRegex(node.value as RegExp);
    if (node.type === "binary" && ["&", "=", "!=", "in", ".."].includes(node.value as string)) {
      const operands = [node.lhs, node.rhs] as AstNode[];
      // A comparison with a literal looks no deeper than the literal, and a literal's text is no longer than it.
      const literal = operands.some(isLiteral);
      if (node.value === ".." || (node.value === "&" ? !operands.every(isLiteral) : !literal)) grows = true;
      for (const operand of operands) weighed.add(operand);
    }
  }
  let count = 0;
  for (const node of nodes) {
    if (node.type === "wildcard") rewriteWildcard(node);
    if (node.type === "path" && node.steps?.some(isSort)) {
      count = rewriteOrderBy(node, { count, bind });
    }
  }
  if (grows) bind(EXIT_HOOK, createExitHook({ weighed, mutates }));
}

function isLiteral(node: AstNode): boolean {
  return node.type === "string" || node.type === "number" || node.type === "value";
}

function isSort(step: AstNode): boolean {
  return step.type === "sort";
}

/** Every node below, without recursion. */
function collect(root: AstNode): AstNode[] {
  const nodes: AstNode[] = [];
  const seen = new Set<object>();
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item !== "object" || item === null || item instanceof RegExp || seen.has(item)) continue;
    seen.add(item);
    if (typeof (item as AstNode).type === "string") nodes.push(item as AstNode);
    for (const child of Object.values(item)) stack.push(child);
  }
  return nodes;
}

function checkRegex(literal: RegExp): void {
  try {
    compileRegex(literal);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ExpressionRefused(`the regex /${literal.source}/ is not supported: ${reason}`);
  }
}

function rewriteWildcard(node: AstNode): void {
  node.type = "function";
  node.value = "(";
  node.procedure = { type: "variable", value: WILDCARD, position: node.position ?? 0 };
  node.arguments = [];
}

/** `a^(b, >c).d` becomes `( $t := $orderBy(a, function($i){ $i.(b) }, function($i){ $i.(c) }); $t.d )`. */
function rewriteOrderBy(node: AstNode, options: { count: number; bind: Bindings }): number {
  const { bind } = options;
  let { count } = options;
  const steps = node.steps as AstNode[];
  const filters = steps.flatMap((step) => step.stages ?? []);
  if (
    node.tuple || steps.some((step) => step.tuple || step.focus || step.index || step.ancestor) ||
    filters.some((stage) => stage.type !== "filter")
  ) {
    throw new ExpressionRefused("order-by ^(…) together with @, # or % is not supported: use $sort");
  }
  const { steps: _steps, keepSingletonArray, group, type: _type, ...rest } = node;
  const end: Record<string, unknown> = { ...rest };
  if (keepSingletonArray !== undefined) end.keepSingletonArray = keepSingletonArray;
  if (group !== undefined) end.group = group;
  const expressions: AstNode[] = [];
  let before = steps;
  let start: AstNode | undefined;
  for (;;) {
    const index = before.findIndex(isSort);
    const head = index < 0 ? before : before.slice(0, index);
    const path: AstNode = { type: "path", steps: start === undefined ? head : [start, ...head] };
    const sort = before[index];
    if (sort === undefined) {
      expressions.push({ ...end, ...path });
      break;
    }
    const terms = sort.terms ?? [];
    const orderBy = ` orderBy${count}`;
    const target = ` sorted${count++}`;
    bind(orderBy, createOrderBy(terms.map(({ descending }) => descending)));
    const position = sort.position ?? 0;
    const call: AstNode = {
      type: "function",
      value: "(",
      position,
      procedure: { type: "variable", value: orderBy, position },
      arguments: [path, ...terms.map(({ expression }) => termFunction(expression))],
    };
    const variable: AstNode = { type: "variable", value: target, position };
    expressions.push({ type: "bind", value: ":=", position, lhs: variable, rhs: call });
    start = { ...variable };
    if (sort.stages !== undefined) start.stages = sort.stages;
    before = before.slice(index + 1);
  }
  delete node.keepSingletonArray;
  delete node.group;
  delete node.steps;
  node.type = "block";
  node.expressions = expressions;
  return count;
}

function termFunction(expression: AstNode): AstNode {
  const item: AstNode = { type: "variable", value: " item", position: expression.position ?? 0 };
  const block: AstNode = { type: "block", expressions: [expression], position: expression.position ?? 0 };
  return { type: "lambda", arguments: [{ ...item }], body: { type: "path", steps: [item, block] } };
}
