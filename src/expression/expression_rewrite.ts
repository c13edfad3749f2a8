/**
 * Rewrites a parsed JSONata expression before its first evaluation, where limits cannot be enforced from outside, and
 * where JSONata would change its input:
 *
 * 1. The steps `*` and `**` become function calls (see `expression_steps.ts`).
 * 2. The order-by `a^(b)` becomes a function call: JSONata's own keeps a copy of the rest of both lists for each item
 *    that it merges.
 * 3. The pattern of a transform, the operand of a grouping, and the item of which a step makes an object, pass through
 *    functions that protect shared data. A call
 *    of data becomes a node without a value: JSONata would write the position of the call into the data.
 * 4. Nodes whose results must be weighed are listed (see `expression_limits.ts`).
 */
import type { AstNode, ExitHook } from "./jsonata_internals.ts";
import { FUNCTIONS } from "./expression_functions.ts";
import { createExitHook } from "./expression_limits.ts";
import { createOrderBy, DESCENDANTS, FRESH, ITEM, OWNED, STEPS, WILDCARD } from "./expression_steps.ts";
import { compileRegex } from "./linear_regex.ts";

/** Binds a value in the environment of a rewritten expression. */
export type Bindings = (name: string | symbol, value: unknown) => void;

/** An expression was refused; `position` is JSONata's. */
export class ExpressionRefused extends Error {}

/** Kinds of nodes with which an expression can build a value that is much larger than its input. */
const GROWS = new Set(["bind", "lambda", "partial", "apply", "transform", "descendant"]);

/** Kinds of nodes whose value is never a list of the input. */
const ANEW = new Set(["string", "number", "value", "regex", "lambda", "unary"]);

/** Names that hold data unless the expression itself binds them. */
const DATA = new Set(["$", "trigger", "nodes", "execution"]);

/**
 * Rewrites the tree in place, binds the functions that it calls, and returns the hook that it needs. Throws
 * {@linkcode ExpressionRefused} where limits cannot be enforced: for `$eval`, regexes with look-around or
 * back-references, and order-by together with `@`, `#` or `%`.
 */
export function rewriteExpression(root: AstNode, bind: Bindings): { readonly exitHook: ExitHook | undefined } {
  const nodes = collect(root);
  const variables = new Set(nodes.flatMap(({ type, value }) => type === "variable" ? [value as string] : []));
  const bound = new Set(nodes.flatMap(boundNames));
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
  if (mutates && bound.has("clone")) throw new ExpressionRefused("a $clone beside a transform is not supported");
  for (const name of variables) if (FUNCTIONS.has(name)) bind(name, FUNCTIONS.get(name));
  // The one function that JSONata calls by name.
  if (mutates) bind("clone", FUNCTIONS.get("clone"));
  function call(name: string, args: AstNode[], position = 0): AstNode {
    bind(name, STEPS.get(name));
    return callOf(name, args, position);
  }
  let count = 0;
  for (const node of nodes) {
    if (node.type === "wildcard") Object.assign(node, call(WILDCARD, [], node.position));
    if (node.type === "descendant") Object.assign(node, call(DESCENDANTS, [], node.position));
    if (node.type === "transform") node.pattern = call(OWNED, [node.pattern as AstNode], node.position);
    if (node.type === "function") keepDataUncalled(node, bound);
    if (node.type === "path" && node.steps?.some(isSort)) {
      count = rewriteOrderBy(node, { count, bind });
    }
  }
  // A path that begins with a variable reads it once, whatever the input is: it must go on to begin with one.
  const first = new Set(nodes.map(({ steps }) => steps?.[0]));
  // Calls at the end of a function are made without what stands behind them.
  const last = new Set(nodes.map(({ thunk, body }) => thunk === true ? body : undefined));
  for (const node of nodes) {
    if (node.group === undefined || node.tuple || node.steps?.some((step) => step.tuple)) continue;
    if (ANEW.has(node.type) || last.has(node) || (node.type === "variable" && first.has(node))) continue;
    const { group, ...rest } = node;
    // A list of one item stays a list on its way; one in brackets does so by itself.
    if (rest.type !== "path") rest.keepArray = true;
    else if (!rest.steps?.some((step) => step.consarray)) rest.keepSingletonArray = true;
    const { consarray } = node;
    replace(node, {
      ...call(FRESH, [rest as AstNode], node.position),
      group,
      ...(consarray === true && { consarray }),
    });
  }
  for (const node of objectsOfItems(root)) {
    const { lhs, type: _type, value: _value, position = 0, ...rest } = node;
    const made = { ...call(ITEM, [], position), group: { lhs, position } };
    replace(node, { ...rest, type: "block", expressions: [made] });
  }
  return { exitHook: grows ? createExitHook({ weighed, mutates }) : undefined };
}

/** Where a node stands under which the context is an item of a path, no longer the input. */
const OF_ITEMS = new Set(["predicate", "stages", "terms", "group"]);

/** The object constructors whose context is an item of a path, which JSONata groups. In a transform it is a copy. */
function objectsOfItems(root: AstNode): AstNode[] {
  const found: AstNode[] = [];
  const seen = new Set<object>();
  const stack: [item: unknown, isOfItem: boolean][] = [[root, false]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [item, isOfItem] = top;
    if (typeof item !== "object" || item === null || item instanceof RegExp || seen.has(item)) continue;
    seen.add(item);
    const { type, value } = item as AstNode;
    if (isOfItem && type === "unary" && value === "{") found.push(item as AstNode);
    for (const [key, child] of Object.entries(item)) {
      if (key === "update" && type === "transform") continue;
      if (key !== "steps") stack.push([child, isOfItem || OF_ITEMS.has(key)]);
      else for (const [index, step] of (child as AstNode[]).entries()) stack.push([step, isOfItem || index > 0]);
    }
  }
  return found;
}

/** The names that a node binds, for its children and for later nodes. */
function boundNames({ type, lhs, arguments: parameters, focus, index }: AstNode): string[] {
  const names: unknown[] = [focus, index];
  if (type === "bind") names.push(lhs?.value);
  if (type === "lambda") { for (const parameter of parameters ?? []) names.push(parameter.value); }
  return names.filter((name) => typeof name === "string");
}

function callOf(name: string, args: AstNode[], position: number): AstNode {
  return {
    type: "function",
    value: "(",
    position,
    procedure: { type: "variable", value: name, position },
    arguments: args,
  };
}

/** Turns a node into another one in place, so that references to it stay valid. */
function replace(node: AstNode, other: AstNode): void {
  for (const key of Object.keys(node)) delete node[key];
  Object.assign(node, other);
}

/** Replaces a call of data by a node of an unknown kind, which has no value. */
function keepDataUncalled({ procedure }: AstNode, bound: ReadonlySet<string>): void {
  if (procedure === undefined) return;
  const [first] = procedure.steps ?? [];
  if (procedure.type === "path" && first?.type === "name") procedure.steps = [{ ...first, type: " nothing" }];
  const { type, value } = procedure;
  if (type === "variable" && DATA.has(value as string) && !bound.has(value as string)) procedure.type = " nothing";
}

/** True for a text, a number, `true`, `false` and `null`. */
export function isLiteral(node: AstNode): boolean {
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
