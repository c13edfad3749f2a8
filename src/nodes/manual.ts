/** The trigger `manual`: an execution starts by a call of the API, and the run's input is its output. */
import { z } from "zod";
import type { NodeType } from "../workflow/node_type.ts";

/** The node type `manual`. */
export const manual: NodeType = {
  type: "manual",
  starts: "manual",
  hasSideEffects: false,
  parameters: z.strictObject({}),
};
