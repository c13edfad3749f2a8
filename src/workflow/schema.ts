/**
 * The schema of a workflow definition: from the JSON that is PUT to nodes and connections with their defaults.
 *
 * Nodes and connections are checked one by one, so that a fault in one of them hides nothing about the others.
 */
import { z } from "zod";
import type { Fault } from "../lib/errors.ts";
import { checkJson, isJsonObject, type JsonObject, type JsonValue } from "../lib/json.ts";
import { formatPointer } from "../lib/json_pointer.ts";
import { tokensOf, walkJson } from "../lib/json_walk.ts";
import { surrogateFault } from "../lib/lone_surrogates.ts";
import type { Connection, NodeDefinition, WorkflowDefinition } from "./definition.ts";
import { pointerSegment } from "../expression/template.ts";
import { IMPORT_PREFIX } from "./workflow_store.ts";

/** The form of a workflow's id. */
export const WORKFLOW_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The highest number of a version: the history keeps no higher one. */
export const MAX_VERSION = 2 ** 31 - 1;

/** The form of a node's id. */
export const NODE_ID = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

/** The largest definition: numbers of nodes and connections, levels of nesting, characters of JSON. */
const DEFINITION_LIMITS = { nodes: 200, connections: 1000, depth: 64, characters: 1 << 20 } as const;

/** True for the id of a workflow, and for what {@linkcode IMPORT_PREFIX} makes of one. */
export function isWorkflowId(id: string): boolean {
  return WORKFLOW_ID.test(id.startsWith(IMPORT_PREFIX) ? id.slice(IMPORT_PREFIX.length) : id);
}

const seconds = (max: number) => z.number().int().min(1).max(max);

const retrySchema = z.strictObject({
  maxAttempts: z.number().int().min(1).max(100).default(3),
  backoffMs: z.number().int().min(0).max(3_600_000).default(1000),
  maxBackoffMs: z.number().int().min(0).max(86_400_000).default(60_000),
});

const lockSchema = z.strictObject({
  name: z.string().min(1).max(1000),
  ttlSeconds: z.number().min(0.1).max(86_400).default(30),
  waitSeconds: z.number().min(0).max(3600).default(30),
});

/** How often something may be called: each call in the window is remembered by its time. */
export const rateLimitSchema = z.strictObject({
  limit: z.number().int().min(1).max(10_000),
  perSeconds: z.number().int().min(1).max(86_400),
  key: z.string().min(1).max(4096).optional(),
});

const nodeId = z.string().regex(NODE_ID, "must be a letter or _, then at most 63 letters, digits, _ or -")
  .refine((id) => id !== "__proto__", "is reserved");

const nodeSchema = z.strictObject({
  id: nodeId,
  type: z.string().min(1).max(64),
  name: z.string().max(200).optional(),
  // Not a record, which would lose a member called `__proto__`.
  parameters: z.custom<JsonObject>(isJsonObject, "must be an object").default(() => ({})),
  retry: retrySchema.optional(),
  lock: lockSchema.optional(),
  rateLimit: rateLimitSchema.optional(),
  timeoutSeconds: z.number().positive().max(604_800).optional(),
  onError: z.enum(["fail", "continue", "branch"]).default("fail"),
});

const connectionSchema = z.strictObject({
  from: z.string().max(64),
  to: z.string().max(64),
  output: z.string().min(1).max(64).default("main"),
});

const tagsSchema = z.record(
  z.string().regex(
    /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/,
    "must be a letter or _, then at most 63 letters, digits, _ . or -",
  ),
  z.string().max(1000),
).refine((tags) => Object.keys(tags).length <= 16, "must be 16 at most");

const settingsSchema = z.strictObject({
  saveExecutionToDatabase: z.boolean().default(true),
  timeoutSeconds: seconds(604_800).default(300),
  resultTtlSeconds: seconds(86_400).default(60),
  concurrency: z.number().int().min(1).max(1_000_000).optional(),
  onOverlap: z.enum(["queue", "reject", "cancelPrevious", "skip"]).optional(),
  lock: z.string().min(1).max(4096).optional(),
  fallback: z.boolean().optional(),
  tags: tagsSchema.optional(),
  cache: z.strictObject({
    ttlSeconds: seconds(86_400),
    key: z.array(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,256}$/, "must be the name of a header")).max(16).optional(),
  }).optional(),
});

/** The settings of a definition that names none. */
export const DEFAULT_SETTINGS = settingsSchema.parse({});

const headSchema = z.strictObject({
  name: z.string().max(200).default(""),
  active: z.boolean().default(true),
  settings: settingsSchema.default(() => settingsSchema.parse({})),
  nodes: z.array(z.unknown()).min(1).max(DEFINITION_LIMITS.nodes),
  connections: z.array(z.unknown()).max(DEFINITION_LIMITS.connections).default(() => []),
});

/** A part of a definition with its index in the list; `value` is `undefined` where it had faults. */
export interface Placed<T> {
  readonly index: number;
  readonly value: T | undefined;
}

/** The parts of a definition that had no faults. */
export interface ParsedDefinition {
  /** Name, activity and settings; `undefined` where they had faults. */
  readonly head: Pick<WorkflowDefinition, "name" | "active" | "settings"> | undefined;
  /** With the id of each node that has one, also where the rest of it had faults. */
  readonly nodes: readonly (Placed<NodeDefinition> & { readonly id: string | undefined })[];
  readonly connections: readonly Placed<Connection>[];
}

/**
 * Reads a definition, and adds every fault to `faults`.
 *
 * @param options.isNew it is not stored yet: lone surrogates, which not every store takes, are faults; false by default
 */
export function parseDefinition(
  raw: unknown,
  faults: Fault[],
  { isNew = false }: { isNew?: boolean | undefined } = {},
): ParsedDefinition {
  const problem = checkJson(raw, { maxDepth: DEFINITION_LIMITS.depth, maxSize: DEFINITION_LIMITS.characters });
  if (problem !== undefined) {
    const detail = {
      too_deep: `must not be nested deeper than ${DEFINITION_LIMITS.depth}`,
      too_large: `must not be larger than ${DEFINITION_LIMITS.characters} characters`,
      not_json: "must be JSON",
    }[problem];
    faults.push({ pointer: "", detail });
    return { head: undefined, nodes: [], connections: [] };
  }
  if (isNew) addSurrogates(faults, raw as JsonValue);
  const head = headSchema.safeParse(raw);
  if (!head.success) addIssues(faults, "", head.error);
  const lists = isJsonObject(raw) ? raw : {};
  const nodes = listOf(lists.nodes, DEFINITION_LIMITS.nodes).map((item, index) => ({
    ...place(nodeSchema, item, `/nodes/${index}`, { index, faults }),
    id: isJsonObject(item) && typeof item.id === "string" ? item.id : undefined,
  }));
  const connections = listOf(lists.connections, DEFINITION_LIMITS.connections)
    .map((item, index) => place(connectionSchema, item, `/connections/${index}`, { index, faults }));
  return { head: head.data, nodes, connections };
}

function addSurrogates(faults: Fault[], raw: JsonValue): void {
  walkJson(raw, (step) => {
    const detail = surrogateFault(step);
    if (detail !== undefined) faults.push({ pointer: formatPointer(tokensOf(step)), detail });
  });
}

function listOf(value: unknown, length: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, length) : [];
}

function place<T>(
  schema: z.ZodType<T>,
  item: unknown,
  pointer: string,
  options: { index: number; faults: Fault[] },
): Placed<T> {
  const { index, faults } = options;
  const parsed = schema.safeParse(item);
  if (!parsed.success) addIssues(faults, pointer, parsed.error);
  return { index, value: parsed.data };
}

/** Adds zod's issues as faults under `pointer`. */
export function addIssues(faults: Fault[], pointer: string, error: z.ZodError): void {
  for (const issue of error.issues) {
    const place = pointer + issue.path.map((key) => pointerSegment(String(key))).join("");
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) faults.push({ pointer: place + pointerSegment(key), detail: "is not known here" });
    } else faults.push({ pointer: place, detail: issue.message });
  }
}
