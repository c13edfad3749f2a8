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
import type { NodeType } from "./node_type.ts";

/** What says how a node is run, which a trigger never is, and where the like of it is said for a trigger. */
const NOT_FOR_TRIGGERS = {
  lock: "is not for triggers: a workflow has its own among its settings",
  rateLimit: "is not for triggers: a webhook has its own among its parameters",
  timeoutSeconds: "is not for triggers: a webhook has its own among its parameters, a workflow among its settings",
  retry: "is not for triggers, which do not fail",
} as const;

/** What {@linkcode compileGuards} takes. */
export interface GuardOptions {
  /** The node's index in the definition. */
  readonly index: number;
  /** Its type; absent where there is none of its name. */
  readonly kind: Pick<NodeType, "starts" | "callsOut"> | undefined;
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

/** Compiles what a node's definition puts around its function. */
export function compileGuards(definition: NodeDefinition, options: GuardOptions): (run: NodeRun) => NodeRun {
  const { index, kind, faults, budget, limits, runLocked, takeTurn } = options;
  const { lock, rateLimit, timeoutSeconds } = definition;
  const fault = (pointer: string, detail: string) => void faults.push({ pointer, detail });
  const compile = (text: string, member: string): Template => {
    const pointer = `/nodes/${index}/${member}`;
    return compileTemplate(text, { pointer, fault, budget, ...(limits && { limits }) });
  };
  if (kind?.starts !== undefined) {
    for (const [member, detail] of Object.entries(NOT_FOR_TRIGGERS)) {
      if (definition[member as keyof typeof NOT_FOR_TRIGGERS] !== undefined) fault(`/nodes/${index}/${member}`, detail);
    }
  } else if (rateLimit !== undefined && kind !== undefined && !kind.callsOut) {
    fault(`/nodes/${index}/rateLimit`, "is for nodes that call out");
  }
  const key = rateLimit?.key === undefined ? undefined : compile(rateLimit.key, "rateLimit/key");
  const name = lock === undefined ? undefined : compile(lock.name, "lock/name");
  return function guard(run) {
    let made = run;
    if (rateLimit !== undefined && takeTurn !== undefined) {
      made = limitedRun(made, { rateLimit, key, timeoutSeconds, takeTurn });
    }
    if (lock !== undefined && name !== undefined && runLocked !== undefined) {
      made = lockedRun(made, { lock, name, runLocked });
    }
    return made;
  };
}
