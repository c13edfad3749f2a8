/** The node type `fail`: fails, with a code and a message of the workflow's own. */
import { z } from "zod";
import { NOT_RECORDED, TerminalError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import type { NodeType } from "../workflow/node_type.ts";

const parameters = z.strictObject({
  message: z.string().max(10_000).default("The workflow failed"),
  code: z.string().min(1).max(1000).default("failed"),
});

/** The node type `fail`. */
export const fail: NodeType<z.infer<typeof parameters>> = {
  type: "fail",
  hasSideEffects: false,
  parameters,
  compile({ message, code }, tools) {
    const messageTemplate = tools.template(message, "/message");
    const codeTemplate = tools.template(code, "/code");
    return async ({ scope }) => {
      const text = toText(await messageTemplate(scope)).slice(0, 10_000);
      const given = toText(await codeTemplate(scope)).slice(0, 100);
      // The engine's own word for what a record lacks.
      throw new TerminalError(given === "" || given === NOT_RECORDED ? "failed" : given, text);
    };
  },
};

function toText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
