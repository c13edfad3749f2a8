/**
 * Makes a workflow ready to run: schema, graph, parameters and expressions are checked together, so that one error
 * names every fault.
 *
 * @example
 * ```ts
 * const workflow = compileWorkflow(stored, { nodeTypes: createNodeTypes({ fetch }) });
 * ```
 */
import { type Fault, InvalidWorkflowError } from "../lib/errors.ts";
import type { WebhookRoute } from "./workflow_store.ts";
import type { CompileTools, NodeType, NodeTypes } from "./node_type.ts";
import type {
  CompiledWorkflow,
  NodeDefinition,
  NodeRun,
  Schedule,
  StoredWorkflow,
  Webhook,
  WorkflowDefinition,
  WorkflowSettings,
} from "./definition.ts";
import type { Template } from "../expression/scope.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import { buildGraph, type GraphInput } from "./graph.ts";
import { ParseBudget } from "../expression/parse_budget.ts";
import { compileGuards } from "./node_guards.ts";
import type { RunLocked } from "./node_lock.ts";
import type { TakeTurn } from "./node_rate_limit.ts";
import { addIssues, parseDefinition, WORKFLOW_ID } from "./schema.ts";
import { compileTemplate, pointerSegment } from "../expression/template.ts";

/** Options of {@linkcode compileDefinition} and {@linkcode compileWorkflow}. */
export interface CompileOptions {
  /** Node types that definitions may use. Required. */
  readonly nodeTypes: NodeTypes;
  /** Runs nodes under their locks. Absent: they run without. */
  readonly runLocked?: RunLocked | undefined;
  /** Takes turns for the calls of nodes that have a rate limit. Absent: nobody waits for one. */
  readonly takeTurn?: TakeTurn | undefined;
  /** Limits of expressions. Default those of `ExpressionLimits`. */
  readonly limits?: ExpressionLimits | undefined;
  /** Characters of JSON, about, of the largest value that a template may make. Default 16 Mi. */
  readonly maxOutputBytes?: number | undefined;
  /** The definition is not stored yet: what no store should be given is a fault too. Default false. */
  readonly isNew?: boolean | undefined;
}

/** A definition ready to run, not yet a version of a workflow. */
export type CompiledDefinition = Omit<CompiledWorkflow, "id" | "version" | "updatedAt" | "changedBy">;

/** Throws `InvalidWorkflowError` unless `id` can be the id of a workflow. */
export function checkWorkflowId(id: string): void {
  if (WORKFLOW_ID.test(id)) return;
  const detail = `Cannot use "${id.slice(0, 140)}" as a workflow's id: it must match ${WORKFLOW_ID.source}`;
  throw new InvalidWorkflowError([{ pointer: "", detail }]);
}

/** Checks raw JSON and compiles it. Throws `InvalidWorkflowError` with every fault. */
export function compileDefinition(raw: unknown, options: CompileOptions): CompiledDefinition {
  const faults: Fault[] = [];
  const budget = new ParseBudget();
  const parsed = parseDefinition(raw, faults, options);
  const run = new Map<string, NodeRun>();
  const webhooks: { webhook: Webhook; index: number }[] = [];
  const schedules: Schedule[] = [];
  let manualTrigger: string | undefined;
  const inputs: GraphInput[] = [];
  for (const { index, id, value: definition } of parsed.nodes) {
    if (id === undefined) continue;
    if (definition === undefined) {
      inputs.push({ index, id });
      continue;
    }
    const compiled = compileNode(definition, { ...options, index, faults, budget });
    inputs.push({ index, id, definition, kind: compiled.kind, outputs: compiled.outputs });
    // Also of a node whose parameters have faults, and of one that is never run: each fault is named.
    const guard = compileGuards(definition, { ...options, kind: compiled.kind, index, faults, budget });
    if (compiled.run !== undefined) run.set(id, guard(compiled.run));
    if (compiled.webhook !== undefined) webhooks.push({ webhook: compiled.webhook, index });
    if (compiled.schedule !== undefined) schedules.push(compiled.schedule);
    if (compiled.kind?.starts === "manual") {
      if (manualTrigger === undefined) manualTrigger = id;
      else faults.push({ pointer: `/nodes/${index}/type`, detail: `"${manualTrigger}" is already the manual trigger` });
    }
  }
  const tags = compileTags(parsed.head?.settings.tags, { ...options, faults, budget });
  const lock = compileLock(parsed.head?.settings, { ...options, faults, budget });
  const connections = parsed.connections.flatMap(({ index, value }) =>
    value === undefined ? [] : [{ index, connection: value }]
  );
  // With unreadable connections it is unknown which nodes are reached.
  const complete = parsed.head !== undefined && connections.length === parsed.connections.length;
  const graph = buildGraph(inputs, connections, { faults, complete });
  checkWebhooks(webhooks, faults);
  if (faults.length > 0 || parsed.head === undefined) throw new InvalidWorkflowError(faults);
  const definition: WorkflowDefinition = {
    ...parsed.head,
    nodes: parsed.nodes.map(({ value }) => value as NodeDefinition),
    connections: connections.map(({ connection }) => connection),
  };
  return {
    definition,
    graph,
    webhooks: webhooks.map(({ webhook }) => webhook),
    schedules,
    manualTrigger,
    run,
    ...(tags && { tags }),
    ...(lock && { lock }),
  };
}

/** Compiles a stored version. Throws `InvalidWorkflowError` if this release no longer takes it. */
export function compileWorkflow(stored: StoredWorkflow, options: CompileOptions): CompiledWorkflow {
  return withVersion(compileDefinition(stored.definition, options), stored);
}

/** Makes a stored version of what was compiled before it was stored. */
export function withVersion(
  compiled: CompiledDefinition,
  stored: Pick<StoredWorkflow, "id" | "version" | "updatedAt" | "changedBy">,
): CompiledWorkflow {
  const { id, version, updatedAt, changedBy } = stored;
  return Object.freeze({ id, version, updatedAt, ...(changedBy !== undefined && { changedBy }), ...compiled });
}

function compileTags(
  tags: Record<string, string> | undefined,
  options: CompileOptions & { faults: Fault[]; budget: ParseBudget },
): ReadonlyMap<string, Template> | undefined {
  if (tags === undefined) return undefined;
  const { limits, faults, budget } = options;
  const fault = (pointer: string, detail: string) => void faults.push({ pointer, detail });
  return new Map(
    Object.entries(tags).map(([name, text]) => {
      const pointer = `/settings/tags${pointerSegment(name)}`;
      return [name, compileTemplate(text, { pointer, fault, budget, ...(limits && { limits }) })];
    }),
  );
}

function compileLock(
  settings: WorkflowSettings | undefined,
  options: CompileOptions & { faults: Fault[]; budget: ParseBudget },
): Template | undefined {
  if (settings?.lock === undefined) return undefined;
  const { limits, faults, budget } = options;
  const fault = (pointer: string, detail: string) => void faults.push({ pointer, detail });
  if (settings.fallback) {
    fault("/settings/fallback", "must not be true with lock, which is kept where all instances see it");
  }
  return compileTemplate(settings.lock, { pointer: "/settings/lock", fault, budget, ...(limits && { limits }) });
}

/** The webhook routes of a definition, in the form in which they are unique over all workflows. */
export function webhookRoutes(compiled: Pick<CompiledDefinition, "definition" | "webhooks">): WebhookRoute[] {
  return compiled.webhooks.flatMap(({ nodeId, methods, path }) => {
    const index = compiled.definition.nodes.findIndex(({ id }) => id === nodeId);
    const shape = pathShape(path);
    return methods.map((method) => ({ method, shape, pointer: `/nodes/${index}/parameters/path` }));
  });
}

/** A path with each `:name` as `:`. */
function pathShape(path: string): string {
  return path.split("/").map((segment) => segment.startsWith(":") ? ":" : segment).join("/");
}

function checkWebhooks(webhooks: readonly { webhook: Webhook; index: number }[], faults: Fault[]): void {
  const taken = new Map<string, string>();
  for (const { webhook: { methods, path, nodeId }, index } of webhooks) {
    for (const method of methods) {
      const route = `${method} ${pathShape(path)}`;
      const other = taken.get(route);
      if (other === undefined) taken.set(route, nodeId);
      else {
        const detail = `"${method} ${path}" is already the webhook of "${other}"`;
        faults.push({ pointer: `/nodes/${index}/parameters/path`, detail });
      }
    }
  }
}

interface CompiledNode {
  readonly kind?: NodeType;
  readonly outputs?: readonly string[] | undefined;
  readonly run?: NodeRun | undefined;
  readonly webhook?: Webhook | undefined;
  readonly schedule?: Schedule | undefined;
}

function compileNode(
  node: NodeDefinition,
  options: CompileOptions & { index: number; faults: Fault[]; budget: ParseBudget },
): CompiledNode {
  const { nodeTypes, limits, maxOutputBytes, index, faults, budget } = options;
  const type = nodeTypes.get(node.type);
  if (type === undefined) {
    const known = [...nodeTypes.keys()].join(", ");
    faults.push({ pointer: `/nodes/${index}/type`, detail: `"${node.type}" is no node type: choose from ${known}` });
    return {};
  }
  const prefix = `/nodes/${index}/parameters`;
  const parsed = type.parameters.safeParse(node.parameters);
  if (!parsed.success) {
    addIssues(faults, prefix, parsed.error);
    return { kind: type };
  }
  function fault(pointer: string, detail: string): void {
    faults.push({ pointer: prefix + pointer, detail });
  }
  const tools: CompileTools = {
    nodeId: node.id,
    template: (value, pointer) =>
      compileTemplate(value, {
        pointer,
        fault,
        budget,
        ...(limits && { limits }),
        ...(maxOutputBytes !== undefined && { maxOutputBytes }),
      }),
    fault,
  };
  return {
    kind: type,
    outputs: type.outputs?.(parsed.data) ?? ["main"],
    run: type.compile?.(parsed.data, tools),
    webhook: type.webhook?.(parsed.data, tools),
    schedule: type.schedule?.(parsed.data, node.id),
  };
}
