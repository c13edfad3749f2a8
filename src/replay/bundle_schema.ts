/**
 * Schemas of a bundle's lines.
 *
 * Unknown members of a line are refused, and all that a fold reads of an event is checked. Other members of an event's
 * `data` are kept, since later releases may add some.
 */
import { z } from "zod";
import { isEntryId } from "../lib/entry_id.ts";
import { isExecutionId } from "../lib/uuidv7.ts";
import type { JsonValue } from "../lib/json.ts";
import { isWorkflowId, MAX_VERSION, NODE_ID, WORKFLOW_ID } from "../workflow/schema.ts";
import { BUNDLE_FORMAT, BUNDLE_KIND } from "./bundle.ts";

const time = z.int().min(0);
const count = z.int().min(1);
const version = count.max(MAX_VERSION);
const workflowId = z.string().refine(isWorkflowId, `must match ${WORKFLOW_ID.source}`);
const executionId = z.string().refine(isExecutionId, "must be a UUID of version 7, in lower case");
const nodeId = z.string().regex(NODE_ID).refine((id) => id !== "__proto__", "is reserved");
/** Any JSON value. It was parsed from JSON, so only its presence is checked. */
const json = z.custom<JsonValue>((value) => value !== undefined, "must be there");
const statuses = ["pending", "running", "paused", "completed", "failed", "cancelled"] as const;

/** The first line. */
export const headSchema = z.strictObject({
  kind: z.literal(BUNDLE_KIND),
  format: z.literal(BUNDLE_FORMAT),
  executionId,
  workflowId,
  version,
  status: z.enum(statuses),
  requestedAt: time,
  millrace: z.string().max(64),
  exportedAt: time,
});

/** The line of the version that ran; its definition is checked when it is compiled. */
export const workflowSchema = z.strictObject({
  kind: z.literal("workflow"),
  id: workflowId,
  version,
  updatedAt: time,
  definition: z.unknown(),
});

/** The last line. */
export const endSchema = z.strictObject({ kind: z.literal("end"), events: z.int().min(1) });

const error = z.looseObject({
  code: z.string(),
  message: z.string(),
  detail: z.string().optional(),
  node: z.string().optional(),
});
/** What a fork began with. */
const fork = z.looseObject({
  executionId,
  from: z.string().min(1).optional(),
  mode: z.enum(["stub", "live"]),
  workflow: z.enum(["recorded", "current"]),
  input: json.optional(),
  identity: z.looseObject({ id: executionId, workflowId, version }),
});
const empty = z.looseObject({});

function event<T extends string, D extends z.ZodType>(type: T, data: D) {
  return z.strictObject({
    kind: z.literal("event"),
    id: z.string().refine((id) => isEntryId(id) && id.includes("-"), "must be an entry id, <ms>-<n>"),
    type: z.literal(type),
    time,
    data,
  });
}

function nodeEvent<T extends string, D extends z.ZodType>(type: T, data: D) {
  return event(type, data).extend({ node: nodeId });
}

/** An event of the log. */
export const eventSchema = z.discriminatedUnion("type", [
  event(
    "execution.requested",
    z.looseObject({
      workflowId,
      version,
      trigger: nodeId,
      input: json,
      startedBy: z.string().max(64).optional(),
      fork: fork.optional(),
    }),
  ),
  event(
    "execution.started",
    z.looseObject({
      epoch: count,
      worker: z.string().max(256),
      totalSteps: count.optional(),
      way: z.string().max(64).optional(),
      tags: z.record(z.string(), z.string()).optional(),
    }),
  ),
  event(
    "execution.progress",
    z.looseObject({
      percent: z.number().min(0).max(100).optional(),
      totalSteps: count.optional(),
      completedSteps: z.int().min(0).optional(),
      currentStep: z.string().max(256).optional(),
      data: json.optional(),
    }),
  ),
  event("execution.paused", empty),
  event("execution.resumed", empty),
  event("execution.completed", z.looseObject({ lastNode: nodeId, responseNode: nodeId.optional() })),
  event("execution.failed", z.looseObject({ error, responseNode: nodeId.optional() })),
  event("execution.cancelled", z.looseObject({ reason: z.string().optional() })),
  nodeEvent("node.started", z.looseObject({ attempt: count })),
  nodeEvent("node.progress", json),
  nodeEvent(
    "node.completed",
    z.looseObject({ output: json, outputs: z.array(z.string()).optional(), responds: z.literal(true).optional() }),
  ),
  nodeEvent("node.failed", z.looseObject({ error, handled: z.enum(["continue", "branch"]).optional() })),
  nodeEvent("node.skipped", empty),
  nodeEvent("node.retrying", z.looseObject({ error, attempt: count, delayMs: z.number(), retryAt: time })),
  nodeEvent("node.waiting", z.looseObject({ until: time })),
]);
