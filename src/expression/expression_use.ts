/**
 * Finds the part of the scope that an expression reads: only that is copied to a thread that evaluates it.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "./scope.ts";
import { FUNCTIONS } from "./expression_functions.ts";
import type { AstNode, FunctionDefinition } from "./jsonata_internals.ts";

/** What an expression may read; may name more than it does. */
export interface ScopeUse {
  readonly input: boolean;
  readonly trigger: boolean;
  readonly execution: boolean;
  /** The ids of the nodes whose outputs it reads, or all of them. */
  readonly nodes: ReadonlySet<string> | "all";
}

/** The use of a parsed expression; the tree must not have been rewritten. */
export function scopeUse(root: AstNode): ScopeUse {
  let input = false;
  const variables = new Set<string>();
  const nodes = new Set<string>();

  /** `ofRoot`: what it is evaluated for may be the input, rather than something that was found by another node. */
  function visit(value: unknown, ofRoot: boolean): void {
    if (Array.isArray(value)) return value.forEach((item) => visit(item, ofRoot));
    if (typeof value !== "object" || value === null || value instanceof RegExp) return;
    const node = value as AstNode;
    switch (node.type) {
      case "path": {
        const [first, ...rest] = node.steps ?? [];
        // Whatever it begins with, it is taken for each item where the input is a list.
        if (ofRoot && first?.type !== "variable") input = true;
        if (first?.type === "variable" && first.value === "nodes" && !first.predicate && !first.stages) {
          const [next] = rest;
          if (next?.type === "name") nodes.add(next.value as string);
          else variables.add("nodes");
        } else visit(first, ofRoot);
        visit(rest, false);
        return visit(node.group, false);
      }
      case "variable":
        variables.add(node.value as string);
        if (node.value === "$" || (node.value === "" && ofRoot)) input = true;
        break;
      case "name":
      case "wildcard":
      case "descendant":
      case "parent":
      case "sort":
        if (ofRoot) input = true;
        break;
      case "function": {
        // What is not given is taken from what the function is evaluated for.
        const name = node.procedure?.value as string;
        const { implementation } = (FUNCTIONS.get(name) ?? {}) as Partial<FunctionDefinition>;
        if (ofRoot && (node.arguments?.length ?? 0) < (implementation?.length ?? 0)) input = true;
        break;
      }
      case "partial":
        if (ofRoot) input = true;
        break;
    }
    const { predicate, stages, group, ...rest } = node;
    for (const child of Object.values(rest)) if (typeof child === "object") visit(child, ofRoot);
    for (const child of [predicate, stages, group]) visit(child, false);
  }

  visit(root, true);
  return {
    input,
    trigger: variables.has("trigger"),
    execution: variables.has("execution"),
    nodes: variables.has("nodes") ? "all" : nodes,
  };
}

/** The outputs that are read, as they are now. */
export function usedNodes({ nodes }: Pick<Scope, "nodes">, use: ScopeUse): Record<string, JsonValue> {
  if (use.nodes === "all") return { ...nodes };
  const outputs: [string, JsonValue][] = [];
  for (const id of use.nodes) if (Object.hasOwn(nodes, id)) outputs.push([id, nodes[id]!]);
  return outputs.length === 0 ? {} : Object.fromEntries(outputs);
}

/** The part of a scope that is read, with the outputs that {@linkcode usedNodes} gave. */
export function usedScope(
  { input, trigger, execution }: Omit<Scope, "nodes">,
  { use, nodes }: { use: ScopeUse; nodes: Record<string, JsonValue> },
): Omit<Scope, "signal"> {
  return {
    input: use.input ? input : null,
    trigger: use.trigger ? trigger : null,
    nodes,
    execution: use.execution ? { ...execution } : { id: "", workflowId: "", version: 0 },
  };
}
