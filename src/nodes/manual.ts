/** The trigger `manual`: a call of the API starts an execution. Its output is the `input` of that call. */
import { z } from "zod";
import type { NodeType } from "../workflow/node_type.ts";

/** The node type `manual`. */
export const manual: NodeType = {
  type: "manual",
  starts: "manual",
  hasSideEffects: false,
  parameters: z.strictObject({}),
};
