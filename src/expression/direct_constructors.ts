/**
 * Constructors of lists and objects in direct expressions.
 */
import { built, type Direct, type DirectCompiler, giveUp } from "./direct_run.ts";
import type { AstNode } from "./jsonata_internals.ts";

/** Compiles `[a, b]`: lists are joined to it, those in brackets become items. */
export function compileArray({ expressions = [] }: AstNode, compiler: DirectCompiler): Direct {
  const parts = expressions.map((node) => ({ evaluate: compiler.compile(node), isItem: node.value === "[" }));
  return (context, run) => {
    run.work(1 + parts.length);
    const list: unknown[] = [];
    for (const { evaluate, isItem } of parts) {
      const value = evaluate(context, run);
      if (value === undefined) continue;
      if (isItem || !Array.isArray(value)) list.push(value);
      else {
        run.work(value.length);
        for (const item of value) list.push(item);
      }
    }
    return built(list, compiler, run);
  };
}

/** Keys that JSONata refuses. */
const REFUSED: ReadonlySet<string> = new Set(["_jsonata_lambda", "_jsonata_function"]);

/** Compiles `{a: b}`. Gives up on a list, whose items JSONata groups by their keys. */
export function compileObject(node: AstNode, compiler: DirectCompiler): Direct {
  const pairs = (node.lhs as unknown as [AstNode, AstNode][])
    .map(([key, value]) => ({ keyOf: compiler.compile(key), valueOf: compiler.compile(value) }));
  return (context, run) => {
    run.work(1 + pairs.length);
    if (Array.isArray(context)) giveUp();
    // What JSONata takes for its own mark.
    if ((context as { tupleStream?: unknown } | null | undefined)?.tupleStream) giveUp();
    const object = Object.create(null) as Record<string, unknown>;
    const keys = new Set<string>();
    for (const { keyOf, valueOf } of pairs) {
      const key = keyOf(context, run);
      if (key === undefined) continue;
      if (typeof key !== "string" || REFUSED.has(key) || keys.has(key)) giveUp();
      keys.add(key);
      const value = valueOf(context, run);
      if (value !== undefined) object[key] = value;
    }
    return built(object, compiler, run);
  };
}
