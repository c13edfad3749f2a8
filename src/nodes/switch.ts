/** The node type `switch`: delivers its input on the output of the first case whose condition is true. */
import { z } from "zod";
import type { JsonValue } from "../lib/json.ts";
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
    return async ({ scope }) => {
      for (const { output, when } of cases) {
        if (isTruthy(await when(scope))) return { output: scope.input, outputs: [output] };
      }
      return { output: scope.input, outputs: parameters.else === undefined ? [] : [parameters.else] };
    };
  },
};

/** The value of JSONata's `$boolean` (https://docs.jsonata.org/boolean-functions). */
export function isTruthy(value: JsonValue): boolean {
  if (Array.isArray(value)) return value.some(isTruthy);
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}
