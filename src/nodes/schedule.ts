/** The trigger `schedule`: an execution starts at the times of a cron pattern, or every so many seconds. */
import { z } from "zod";
import { compileCron, isTimeZone } from "../lib/cron.ts";
import { isJsonObject, type JsonObject } from "../lib/json.ts";
import type { NodeType } from "../workflow/node_type.ts";

const DAY = 86_400;

const parameters = z.strictObject({
  cron: z.string().min(1).optional(),
  everySeconds: z.number().int().min(1).max(366 * DAY).optional(),
  timeZone: z.string().max(64).default("UTC"),
  catchUp: z.enum(["none", "last", "all"]).default("last"),
  catchUpWindowSeconds: z.number().int().min(0).max(30 * DAY).default(3600),
  jitterSeconds: z.number().min(0).max(DAY).default(0),
  input: z.custom<JsonObject>(isJsonObject, "must be an object").optional(),
}).superRefine(({ cron, everySeconds, timeZone }, context) => {
  const fault = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  if ((cron === undefined) === (everySeconds === undefined)) {
    fault("cron", "must be given, or else everySeconds, and not both");
  }
  if (!isTimeZone(timeZone)) return fault("timeZone", `"${timeZone}" is no IANA time zone`);
  if (cron === undefined) return;
  try {
    if (compileCron(cron, timeZone)(Date.now()) === undefined) fault("cron", "has no time that is to come");
  } catch (error) {
    fault("cron", (error as Error).message);
  }
});

/** The node type `schedule`; its output is `input`, with the time for which it runs as `scheduledAt`. */
export const schedule: NodeType<z.infer<typeof parameters>> = {
  type: "schedule",
  starts: "schedule",
  hasSideEffects: false,
  parameters,
  schedule({ cron, everySeconds, input = {}, ...rest }, nodeId) {
    return {
      nodeId,
      ...(cron !== undefined && { cron }),
      ...(everySeconds !== undefined && { everySeconds }),
      ...rest,
      input,
    };
  },
};
