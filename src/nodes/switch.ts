/** The node type `switch`: delivers its input on the output of the first case whose condition is true. */
import { z } from "zod";
import type { Scope } from "../expression/scope.ts";
import type { JsonValue } from "../lib/json.ts";
import { whenReady } from "../lib/when_ready.ts";
import { jsonSchema } from "./parameter.ts";
import type { NodeType } from "../workflow/node_type.ts";

const outputName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -")
  .refine((name) => name !== "error", `must not be "error"`);

const parameters = z.strictObject({
  cases: z.array(z.strictObject({ output: outputName, when: jsonSchema })).min(1).max(100),
  else: outputName.optional(),
});

/** The node type `switch`. Without a true case and without `else`, no output delivers. */
export const switchNode: NodeType<z.infer<typeof parameters>> = {
  type: "switch",
  hasSideEffects: false,
  parameters,
  outputs(parameters) {
    const names = parameters.cases.map(({ output }) => output);
    if (parameters.else !== undefined) names.push(parameters.else);
    return [...new Set(names)];
  },
  compile(parameters, tools) {
    const cases = parameters.cases.map(({ output, when }, index) => ({
      output,
      when: tools.template(when, `/cases/${index}/when`),
    }));
    const otherwise = parameters.else === undefined ? [] : [parameters.else];
    /** The output of the first true case from this one on. */
    function choose(scope: Scope, index: number): string[] | Promise<string[]> {
      const branch = cases[index];
      if (branch === undefined) return otherwise;
      return whenReady(branch.when(scope), (value) => isTruthy(value) ? [branch.output] : choose(scope, index + 1));
    }
    return ({ scope }) => whenReady(choose(scope, 0), (outputs) => ({ output: scope.input, outputs }));
  },
};

/** The value of JSONata's `$boolean` (https://docs.jsonata.org/boolean-functions). */
export function isTruthy(value: JsonValue): boolean {
  if (Array.isArray(value)) return value.some(isTruthy);
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
