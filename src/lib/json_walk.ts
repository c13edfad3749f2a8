/**
 * Visits every value inside a JSON value, without recursion: depth costs no stack.
 *
 * @example
 * ```ts
 * walkJson({ a: [1] }, (step) => console.log(tokensOf(step), step.value)); // [] {…}, ["a"] [1], ["a", "0"] 1
 * ```
 */
import type { JsonValue } from "./json.ts";

/** A value that is visited, and where it stands. */
export interface JsonStep {
  readonly value: JsonValue;
  /** The name or index that it has in its parent; `""` for the root. */
  readonly token: string | number;
  /** How many arrays and objects it stands in. */
  readonly depth: number;
  readonly parent: JsonStep | undefined;
}

/**
 * Visits the root and all that is in it, parents first. What `visit` answers with `true` ends the walk; a visited value
 * may be replaced in its parent.
 */
export function walkJson(root: JsonValue, visit: (step: JsonStep) => boolean | void): void {
  const open: JsonStep[] = [{ value: root, token: "", depth: 0, parent: undefined }];
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    if (visit(step)) return;
    const { value, depth } = step;
    if (typeof value !== "object" || value === null) continue;
    for (const [token, child] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      open.push({ value: child, token, depth: depth + 1, parent: step });
    }
  }
}

/** Where a step is, from the root. */
export function tokensOf(step: JsonStep): string[] {
  const tokens: string[] = [];
  for (let at = step; at.parent !== undefined; at = at.parent) tokens.push(String(at.token));
  return tokens.reverse();
}
