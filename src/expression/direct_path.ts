/**
 * Paths of direct expressions, with JSONata's rules for sequences: each step is taken for every item, what the items
 * give is joined to one sequence, a sequence of one item becomes the item, and an empty one no value. Only where the
 * last step gives a single list of the data, this very list is the value, whatever its length.
 *
 * Past the end of a path, sequences of several items are lists like any other. So they have a mark only inside.
 */
import { type Direct, type DirectCompiler, giveUp, passing } from "./direct_run.ts";
import { hasOnly } from "./expression_path.ts";
import { type AstNode, looksCallable } from "./jsonata_internals.ts";

/** A sequence on its way: not yet reduced to a value. */
class Sequence {
  readonly items: readonly unknown[];

  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** The value of a sequence; any other value is left as it is. */
function reduced(value: unknown): unknown {
  if (!(value instanceof Sequence)) return value;
  return value.items.length > 1 ? value.items : value.items[0];
}

/** Compiles a node of type `path`. */
export function compilePath({ steps = [] }: AstNode, compiler: DirectCompiler): Direct {
  const isAbsolute = steps[0]?.type === "variable";
  const compiled = steps.map((step, index) =>
    index === 0 && isOutputs(step, steps[1]) ? readOutputs : compileStep(step, compiler)
  );
  const last = compiled.length - 1;
  return (context, run) => {
    let one = context;
    let list: readonly unknown[] | undefined = Array.isArray(context) && !isAbsolute ? context : undefined;
    for (let index = 0;; index++) {
      const step = compiled[index] as Direct;
      run.work(1);
      const value = list === undefined ? step(one, run) : takeEach(step, list, run);
      if (index === last) return reduced(value);
      list = value instanceof Sequence ? value.items : Array.isArray(value) ? value : undefined;
      if (value === undefined || list?.length === 0) return undefined;
      one = value;
    }
  };
}

/** Takes a step for every item, and joins what they give. */
function takeEach(step: Direct, list: readonly unknown[], run: Parameters<Direct>[1]): unknown {
  const found: unknown[] = [];
  let count = 0;
  let only: unknown[] | undefined;
  for (const item of list) {
    run.work(1);
    const value = step(item, run);
    if (value === undefined) continue;
    count++;
    if (Array.isArray(value)) only = value;
    if (value instanceof Sequence || Array.isArray(value)) {
      const items = value instanceof Sequence ? value.items : value;
      run.work(items.length);
      for (const item of items) found.push(item);
    } else found.push(value);
  }
  return count === 1 && only !== undefined ? only : new Sequence(found);
}

/** True for `$nodes` before a name: of the outputs themselves nothing but a member is read. */
function isOutputs(step: AstNode, next: AstNode | undefined): boolean {
  return step.type === "variable" && step.value === "nodes" && next?.type === "name" &&
    hasOnly(step, ["type", "value", "position"]);
}

const readOutputs: Direct = (_context, { scope }) => scope.nodes;

function compileStep({ stages, ...step }: AstNode, compiler: DirectCompiler): Direct {
  // A list in brackets is not joined to the others where it is the first or the last step.
  if (step.type === "unary" && step.value === "[") giveUp();
  const take = step.type === "name" ? compileName(step as AstNode) : compiler.compile(step as AstNode);
  return stages === undefined ? take : filtered(take, stages, compiler);
}

function compileName(node: AstNode): Direct {
  if (!hasOnly(node, ["type", "value", "position"])) giveUp();
  const name = node.value as string;
  return (context, run) => Array.isArray(context) ? reduced(lookUpEach(context, name, run)) : lookUp(context, name);
}

function lookUp(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if (looksCallable(value)) giveUp();
  return Object.hasOwn(value, name) ? passing((value as Record<string, unknown>)[name]) : undefined;
}

/** The members of all items, of lists in the list too. */
function lookUpEach(list: unknown[], name: string, run: Parameters<Direct>[1]): Sequence {
  const found: unknown[] = [];
  for (const item of list) {
    run.work(1);
    const value = Array.isArray(item) ? lookUpEach(item, name, run).items : lookUp(item, name);
    if (Array.isArray(value)) {
      run.work(value.length);
      for (const item of value) found.push(item);
    } else if (value !== undefined) found.push(value);
  }
  return new Sequence(found);
}

/** Compiles the filters behind a node that is no step: its value is reduced after the last one. */
export function compilePredicates(node: Direct, filters: readonly AstNode[], compiler: DirectCompiler): Direct {
  const take = filtered(node, filters, compiler);
  return (context, run) => reduced(take(context, run));
}

function filtered(take: Direct, filters: readonly AstNode[], compiler: DirectCompiler): Direct {
  const compiled = filters.map((filter) => compileFilter(filter, compiler));
  return (context, run) => {
    let value = take(context, run);
    for (const filter of compiled) value = filter(value, run);
    return value;
  };
}

function compileFilter(filter: AstNode, compiler: DirectCompiler): Direct {
  if (filter.type !== "filter" || !hasOnly(filter, ["type", "expr", "position"])) giveUp();
  const expression = filter.expr as AstNode;
  if (expression.type === "number") return itemAt(Math.floor(expression.value as number));
  const test = compiler.compile(expression);
  return (value, run) => {
    const kept: unknown[] = [];
    for (const item of itemsOf(value)) {
      run.work(1);
      const verdict = test(item, run);
      if (verdict === true) kept.push(item);
      // A number would be a position.
      else if (verdict !== false && verdict !== undefined) giveUp();
    }
    return new Sequence(kept);
  };
}

/** The filter `[n]`: a list at that place is no sequence. */
function itemAt(position: number): Direct {
  return (value, run) => {
    run.work(1);
    const items = itemsOf(value);
    const item = items[position < 0 ? items.length + position : position];
    return Array.isArray(item) ? item : new Sequence(item === undefined ? [] : [item]);
  };
}

function itemsOf(value: unknown): readonly unknown[] {
  if (value instanceof Sequence) return value.items;
  if (Array.isArray(value)) return value;
  // What JSONata takes for its own mark.
  if ((value as { tupleStream?: unknown } | null | undefined)?.tupleStream) giveUp();
  return [value];
}
