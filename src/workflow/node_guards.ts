/**
 * What stands around a node's function: the lock that it runs under, the rate limit of its calls.
 */
import type { Fault } from "../lib/errors.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import type { ParseBudget } from "../expression/parse_budget.ts";
import type { Template } from "../expression/scope.ts";
import { compileTemplate } from "../expression/template.ts";
import type { NodeDefinition, NodeRun } from "./definition.ts";
import { lockedRun, type RunLocked } from "./node_lock.ts";
import { limitedRun, type TakeTurn } from "./node_rate_limit.ts";

/** What {@linkcode guarded} takes. */
export interface GuardOptions {
  /** The node's index in the definition. */
  readonly index: number;
  /** Whether its type calls out. */
  readonly callsOut: boolean | undefined;
  /** Where faults are put. */
  readonly faults: Fault[];
  /** Limits of parsing, shared by the templates of one definition. */
  readonly budget: ParseBudget;
  /** Limits of expressions. Default those of `ExpressionLimits`. */
  readonly limits?: ExpressionLimits | undefined;
  /** Runs nodes under their locks. Absent: they run without. */
  readonly runLocked?: RunLocked | undefined;
  /** Takes turns for calls. Absent: nobody waits for one. */
  readonly takeTurn?: TakeTurn | undefined;
}

/** A node's function with what its definition puts around it. */
export function guarded(run: NodeRun, definition: NodeDefinition, options: GuardOptions): NodeRun {
  const { index, callsOut, faults, budget, limits, runLocked, takeTurn } = options;
  const { lock, rateLimit, timeoutSeconds } = definition;
  const fault = (pointer: string, detail: string) => void faults.push({ pointer, detail });
  const compile = (text: string, member: string): Template => {
    const pointer = `/nodes/${index}/${member}`;
    return compileTemplate(text, { pointer, fault, budget, ...(limits && { limits }) });
  };
  let made = run;
  if (rateLimit !== undefined) {
    if (!callsOut) fault(`/nodes/${index}/rateLimit`, "is for nodes that call out");
    const key = rateLimit.key === undefined ? undefined : compile(rateLimit.key, "rateLimit/key");
    if (takeTurn !== undefined) made = limitedRun(made, { rateLimit, key, timeoutSeconds, takeTurn });
  }
  if (lock !== undefined) {
    const name = compile(lock.name, "lock/name");
    if (runLocked !== undefined) made = lockedRun(made, { lock, name, runLocked });
  }
  return made;
}
