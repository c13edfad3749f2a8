/**
 * `POST /api/executions/import`: takes a bundle, to look at and to fork.
 */
import type { Context, Hono } from "hono";
import { InvalidWorkflowError, MillraceError } from "../../lib/errors.ts";
import type { ExecutionResult, ResponseData } from "../../execution/result.ts";
import { type Bundle, bundleFault, readBundle, WORKFLOW_LINE } from "../../replay/bundle_reader.ts";
import type { WorkflowDefinition } from "../../workflow/definition.ts";
import { IMPORT_PREFIX } from "../../workflow/workflow_store.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { resource } from "../frame/resource.ts";
import type { BodyBudget, BodyShare } from "../protocol/body_budget.ts";
import { parseJson } from "../protocol/json_body.ts";
import { bodyLimits, readBytes } from "../protocol/request_body.ts";

/** Adds the resource to the app; before `/api/executions/:id`, which would take its path. */
export function imports(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  resource(app, "/api/executions/import", {
    POST: async (c) => {
      const share = bodies.open();
      try {
        return await importBundle(c, deps, share);
      } finally {
        share.close();
      }
    },
  });
}

/** Nothing is kept before all of the bundle has been checked, and then all of it at once. */
async function importBundle(c: Context<AppEnv>, deps: AppDeps, share: BodyShare): Promise<Response> {
  const { catalog, config, store } = deps;
  const limits = bodyLimits(config);
  const bytes = await readBytes(c.req.raw, { ...limits, limitBytes: config.importLimitBytes, share });
  const bundle = readBundle(bytes, { parse: (line) => parseJson(line, limits) });
  const { head: { executionId, workflowId, version }, workflow, state } = bundle;
  const ttlSeconds = config.historyTtlSeconds;
  if (workflow !== undefined) {
    const definition = workflow.definition as WorkflowDefinition;
    const kept = { id: `${IMPORT_PREFIX}${executionId}`, version, definition, updatedAt: workflow.updatedAt };
    await catalog.keepImported(kept, { ttlSeconds }).catch(inWorkflowLine);
  }
  const isNew = await store.imports.put({
    ...{ executionId, workflowId, version, status: state.status, trigger: state.trigger },
    ...{ requestedAt: state.requestedAt, endedAt: state.endedAt!, events: bundle.events(), result: resultOf(bundle) },
  }, { ttlSeconds });
  if (!isNew) {
    throw new MillraceError("execution_exists", `There is an execution with the id "${executionId}" already`, {
      extensions: { executionId },
    });
  }
  c.set("executionId", executionId);
  const { status } = state;
  return c.json({ executionId, workflowId, version, status, imported: true }, 201, {
    "execution-id": executionId,
    location: `/api/executions/${executionId}`,
  });
}

/** The result of the execution, made from its events. */
function resultOf({ head: { executionId }, state, last }: Bundle): ExecutionResult {
  const output = (node: string | undefined) => node === undefined ? undefined : state.nodes.get(node)?.output;
  if (last.type === "execution.failed") return { executionId, status: "failed", error: last.data.error };
  if (last.type !== "execution.completed") return { executionId, status: state.status };
  const response = output(last.data.responseNode);
  return {
    executionId,
    status: "completed",
    ...(response !== undefined && { response: response as unknown as ResponseData }),
    output: output(last.data.lastNode) ?? null,
  };
}

function inWorkflowLine(error: unknown): never {
  if (!(error instanceof InvalidWorkflowError)) throw error;
  const [fault] = error.faults;
  throw bundleFault(WORKFLOW_LINE, `/definition${fault?.pointer ?? ""}`, fault?.detail ?? error.message);
}
