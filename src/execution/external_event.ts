/**
 * What other programs report of the executions that they run: its schema, and the events that it becomes.
 */
import { z } from "zod";
import { isJsonObject, type JsonValue } from "../lib/json.ts";
import type { LogEvent } from "./event.ts";
import type { ExternalReport } from "./external_work.ts";
import type { ExecutionResult } from "./result.ts";

/** The node under whose name the result stands in the log, so that it is read, compared and kept like any other's. */
export const EXTERNAL_NODE = "external";
/** The node under whose name the input of one stands that no webhook began: values are kept by the names of their nodes. */
export const CREATED_NODE = "created";

const name = z.string().regex(/^[\x21-\x7e]{1,128}$/, "Expected 1 to 128 printable ASCII characters");
const steps = z.number().int().min(0).max(1_000_000);
const text = z.string().max(2_000);
const json = z.custom<JsonValue>((value) => value !== undefined, "Expected a JSON value");

/** The types, with or without `execution.` before them. */
const type = z.string().transform((word) => word.replace(/^execution\./, ""));

const started = z.strictObject({
  id: name.optional(),
  type: type.pipe(z.literal("started")),
  totalSteps: steps.min(1).optional(),
  worker: z.string().max(128).default(EXTERNAL_NODE),
});

const progress = z.strictObject({
  id: name.optional(),
  type: type.pipe(z.literal("progress")),
  progress: z.number().min(0).max(100).optional(),
  totalSteps: steps.min(1).optional(),
  completedSteps: steps.optional(),
  currentStep: z.string().min(1).max(256).optional(),
  data: json.optional(),
});

const completed = z.strictObject({
  id: name.optional(),
  type: type.pipe(z.literal("completed")),
  result: json.default(null),
});

const failed = z.strictObject({
  id: name.optional(),
  type: type.pipe(z.literal("failed")),
  error: z.union([
    text.transform((message) => ({ code: "failed", message })),
    z.strictObject({
      code: z.string().regex(/^[\w.-]{1,64}$/, "Expected 1 to 64 letters, digits, _ . -").default("failed"),
      message: text,
      detail: text.optional(),
    }),
  ]).default({ code: "failed", message: "The program that ran the execution failed" }),
});

const SCHEMAS = { started, progress, completed, failed };

/** One event as it is reported: by its type, so that a fault names what is wrong with that type. */
export const externalEvent = z.custom<JsonValue>(isJsonObject, "Expected an object").transform((value, context) => {
  const word = (value as { type?: unknown }).type;
  const known = typeof word === "string" ? word.replace(/^execution\./, "") : "";
  if (!Object.hasOwn(SCHEMAS, known)) {
    context.addIssue({ code: "custom", path: ["type"], message: `Expected one of ${Object.keys(SCHEMAS).join(", ")}` });
    return z.NEVER;
  }
  const parsed = SCHEMAS[known as keyof typeof SCHEMAS].safeParse(value);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    context.addIssue({ code: "custom", path: [...issue.path], message: issue.message });
  }
  return z.NEVER;
});

/** An event as it was reported, checked. */
export type ExternalEvent = z.output<typeof externalEvent>;

/** The log event that is appended for a reported event, at a time (epoch milliseconds). */
export function toReport(
  executionId: string,
  event: ExternalEvent,
  { epoch, time }: { epoch?: number | undefined; time: number },
): ExternalReport {
  const head = {
    executionId,
    ...(epoch !== undefined && { epoch }),
    ...(event.id !== undefined && { eventId: event.id }),
  };
  switch (event.type) {
    case "started": {
      const { worker, totalSteps } = event;
      const data = { epoch: epoch ?? 1, worker, ...(totalSteps !== undefined && { totalSteps }) };
      return { ...head, events: [{ type: "execution.started", time, data }] };
    }
    case "progress": {
      const { id: _id, type: _type, progress: percent, ...rest } = event;
      const data = { ...(percent !== undefined && { percent }), ...withoutUndefined(rest) };
      return { ...head, events: [{ type: "execution.progress", time, data }] };
    }
    case "completed": {
      const output = event.result;
      const events: LogEvent[] = [
        { type: "node.completed", time, node: EXTERNAL_NODE, data: { output } },
        { type: "execution.completed", time, data: { lastNode: EXTERNAL_NODE } },
      ];
      return { ...head, events, result: { executionId, status: "completed", output } };
    }
    case "failed": {
      const error = withoutUndefined(event.error) as NonNullable<ExecutionResult["error"]>;
      return {
        ...head,
        events: [{ type: "execution.failed", time, data: { error } }],
        result: { executionId, status: "failed", error },
      };
    }
  }
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as never;
}
