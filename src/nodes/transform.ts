/** The node type `transform`: its output is any JSON with expressions. */
import { z } from "zod";
import { whenReady } from "../lib/when_ready.ts";
import { jsonSchema } from "./parameter.ts";
import type { NodeType } from "../workflow/node_type.ts";

const parameters = z.strictObject({ output: jsonSchema });

/** The node type `transform`. */
export const transform: NodeType<z.infer<typeof parameters>> = {
  type: "transform",
  hasSideEffects: false,
  parameters,
  compile({ output }, tools) {
    const template = tools.template(output, "/output");
    return ({ scope }) => whenReady(template(scope), (output) => ({ output }));
  },
};
