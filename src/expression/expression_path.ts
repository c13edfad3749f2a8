/**
 * Plain paths, such as `body.user.name` or `$trigger.body`: most expressions are plain paths, and need no evaluation.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "./scope.ts";
import { type AstNode, looksCallable } from "./jsonata_internals.ts";

/** A path that consists of names. */
export interface PlainPath {
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

/** True if a node has none but these members. */
export function hasOnly(node: AstNode, keys: readonly string[]): boolean {
  return Object.keys(node).every((key) => keys.includes(key));
}

/** The plain path of a parsed expression, or `undefined` for any other expression. */
export function plainPath(ast: AstNode): PlainPath | undefined {
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

/** JSONata's value of the path; `undefined` where a list, or data that looks like a function, needs an evaluation. */
export function readPath(path: PlainPath, scope: Scope): JsonValue | undefined {
  let value = scope[path.root] as JsonValue | undefined;
  // A copy: an output that refers to the outputs would otherwise contain itself.
  if (path.names.length === 0 && path.root === "nodes") return { ...scope.nodes };
  if (path.names.length === 0) return Array.isArray(value) ? undefined : value ?? null;
  for (const name of path.names) {
    if (typeof value !== "object" || value === null) return value === undefined ? undefined : null;
    if (Array.isArray(value) || looksCallable(value)) return undefined;
    if (!Object.hasOwn(value, name)) return null;
    value = value[name];
  }
  return value;
}
