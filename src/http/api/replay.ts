/**
 * `POST /api/executions/<id>/replay`: starts a fork, an execution that begins as another one was recorded.
 */
import type { Context, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { definitionId } from "../../execution/definition_id.ts";
import type { ForkOrigin } from "../../execution/fork.ts";
import { identityOf, readRecording, type Recording } from "../../replay/recording.ts";
import { isPlace } from "../../replay/taken.ts";
import { IMPORT_PREFIX } from "../../workflow/workflow_store.ts";
import type { CompiledWorkflow } from "../../workflow/definition.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { idempotencyOf, REPLAYED_HEADER } from "../protocol/idempotency.ts";
import { applyPreferences, MAX_WAIT_SECONDS, parsePrefer } from "../protocol/prefer.ts";
import { readJsonAndBytes } from "../protocol/request_body.ts";
import { executionNotFound } from "./executions.ts";
import { workflowNotFound } from "./workflows.ts";

const MODES = ["stub", "live"] as const;
const WORKFLOWS = ["recorded", "current"] as const;

/** Adds the resource to the app. */
export function replay(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  resource(app, "/api/executions/:id/replay", {
    POST: async (c) => {
      const share = bodies.open();
      try {
        const { value, bytes } = await readJsonAndBytes(c.req.raw, bodyOptions(c, deps, share));
        return await startFork(c, deps, { wanted: parseBody(value), bytes });
      } finally {
        share.close();
      }
    },
  });
}

async function startFork(
  c: Context<AppEnv>,
  deps: AppDeps,
  { wanted, bytes }: { wanted: Wanted; bytes: Uint8Array },
): Promise<Response> {
  const { store, submit } = deps;
  const of = executionIdParameter(c);
  const { waitSeconds, preferenceApplied } = applyPreferences(parsePrefer(c.req.header("prefer")), {
    defaultSeconds: 0,
    maxSeconds: MAX_WAIT_SECONDS,
  });
  const recording = await readRecording(store.log, of);
  if (recording === undefined) throw executionNotFound(of);
  const workflow = await workflowOf(recording, wanted, deps);
  const { trigger } = recording.state;
  checkTrigger(workflow, trigger);
  const from = wanted.from === trigger ? undefined : wanted.from;
  if (from !== undefined) checkPlace(recording, workflow, from);
  const replaced = wanted.input !== undefined;
  if (replaced && from !== undefined && isPlace(from)) {
    throw invalid("input", 'Expected no "input" where "from" is an entry: a node, or the trigger, is given one');
  }
  const fork: ForkOrigin = {
    executionId: of,
    ...(from !== undefined && { from }),
    mode: wanted.mode,
    workflow: wanted.workflow,
    ...(replaced && from !== undefined && { input: wanted.input! }),
    identity: identityOf(recording),
  };
  const recorded = recording.state.nodes.get(trigger)?.output ?? null;
  const input = replaced && from === undefined ? wanted.input! : recorded;
  const idempotency = await idempotencyOf(c.req.raw, {
    scope: ["replay", of],
    body: bytes,
    ttlSeconds: deps.config.idempotencyTtlSeconds,
  });
  const { executionId, replayed, reply } = await submit({
    workflow,
    trigger,
    input,
    fork,
    startedBy: c.get("token"),
    idempotency,
    signal: () => c.req.raw.signal,
    ...(waitSeconds > 0 && { wait: { timeoutMs: waitSeconds * 1000 } }),
  });
  c.set("executionId", executionId);
  const { timeoutSeconds } = workflow.definition.settings;
  // A failure is logged only: the fork has started, and its own log says what it was forked from.
  await store.forks.link({ of, fork: executionId }, { ttlSeconds: timeoutSeconds + deps.config.historyTtlSeconds })
    .catch((error: unknown) => deps.logger.warn({ error, executionId }, "fork not linked"));
  const result = (await reply)?.result;
  return c.json(result ?? { executionId, forkOf: of, status: "pending" }, result ? 200 : 202, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
    ...(preferenceApplied !== undefined && { "preference-applied": preferenceApplied }),
    ...(replayed && { [REPLAYED_HEADER]: "true" }),
  });
}

async function workflowOf(
  { executionId, state: { workflowId, version } }: Recording,
  wanted: Wanted,
  { catalog, config, store }: AppDeps,
): Promise<CompiledWorkflow> {
  if (wanted.workflow === "current") {
    const current = await catalog.get(workflowId);
    if (current === undefined) throw workflowNotFound(workflowId);
    return current;
  }
  const id = definitionId(workflowId, await store.log.meta(executionId));
  const recorded = await catalog.get(id, version);
  if (recorded === undefined) throw workflowNotFound(workflowId, version);
  if (id.startsWith(IMPORT_PREFIX)) {
    // It is kept for as long as the fork may need it.
    const ttlSeconds = recorded.definition.settings.timeoutSeconds + config.historyTtlSeconds;
    await catalog.keepImported(recorded, { ttlSeconds });
  }
  return recorded;
}

function checkTrigger({ id, version, graph }: CompiledWorkflow, trigger: string): void {
  if (graph.get(trigger)?.isTrigger) return;
  throw new MillraceError(
    "trigger_not_found",
    `Version ${version} of the workflow "${id}" has no trigger "${trigger}", with which the execution had begun`,
    { extensions: { workflowId: id, version, trigger } },
  );
}

function checkPlace({ events }: Recording, { id, version, graph }: CompiledWorkflow, from: string): void {
  if (isPlace(from)) {
    if (events.some((event) => event.id === from)) return;
    throw invalid("from", `No entry of the execution's log has the id "${from}"`);
  }
  const node = graph.get(from);
  if (node === undefined) throw invalid("from", `Version ${version} of the workflow "${id}" has no node "${from}"`);
  if (node.isTrigger) throw invalid("from", `The execution did not begin at the trigger "${from}"`);
}

interface Wanted {
  readonly from: string | undefined;
  readonly input: JsonValue | undefined;
  readonly workflow: (typeof WORKFLOWS)[number];
  readonly mode: (typeof MODES)[number];
}

function parseBody(body: JsonValue | undefined): Wanted {
  if (body !== undefined && !isJsonObject(body)) {
    throw new MillraceError("invalid_parameter", "Expected an object");
  }
  const { from, input, workflow, mode, ...rest } = (body ?? {}) as JsonObject;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(unknown, `Unknown member "${unknown}"`);
  if (from !== undefined && (typeof from !== "string" || from === "")) {
    throw invalid("from", 'Expected "from" to be the id of a node or of an entry');
  }
  return {
    from,
    input,
    workflow: oneOf("workflow", workflow ?? "recorded", WORKFLOWS),
    mode: oneOf("mode", mode ?? "stub", MODES),
  };
}

function oneOf<T extends string>(name: string, value: JsonValue, choices: readonly T[]): T {
  const choice = choices.find((word) => word === value);
  if (choice !== undefined) return choice;
  throw invalid(name, `Expected "${name}" to be one of ${choices.join(", ")}: received ${JSON.stringify(value)}`);
}

function invalid(parameter: string, message: string): MillraceError {
  return new MillraceError("invalid_parameter", message, { extensions: { parameter } });
}
