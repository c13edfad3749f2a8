/**
 * What can be made of recorded executions: comparisons and bundles.
 */
import type { Context, Hono } from "hono";
import { Gate } from "../../lib/gate.ts";
import { definitionId } from "../../execution/definition_id.ts";
import { BUNDLE_TYPE, bundleLines } from "../../replay/bundle.ts";
import { type ComparedRun, diffRuns } from "../../replay/diff.ts";
import { readRecording } from "../../replay/recording.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { executionIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { textStream } from "../protocol/text_stream.ts";
import { executionNotFound } from "./executions.ts";

/** How many comparisons an instance makes at once: each holds two whole recordings. */
const COMPARISONS = 1;

/** Adds the resources to the app. */
export function recordings(app: Hono<AppEnv>, deps: AppDeps): void {
  const gate = new Gate({ atOnce: COMPARISONS });
  resource(app, "/api/executions/:id/diff/:other", { GET: (c) => gate.run(() => diff(c, deps)) });
  resource(app, "/api/executions/:id/export", { GET: (c) => exportBundle(c, deps) });
}

async function diff(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const [a, b] = [executionIdParameter(c), executionIdParameter(c, "other")];
  return c.json(diffRuns(await comparedRun(a, deps), await comparedRun(b, deps)));
}

async function comparedRun(executionId: string, { catalog, store }: AppDeps): Promise<ComparedRun> {
  const recording = await readRecording(store.log, executionId);
  if (recording === undefined) throw executionNotFound(executionId);
  const { workflowId, version } = recording.state;
  const id = definitionId(workflowId, await store.log.meta(executionId));
  return { recording, workflow: await catalog.get(id, version).catch(() => undefined) };
}

async function exportBundle(c: Context<AppEnv>, { catalog, store, info }: AppDeps): Promise<Response> {
  const id = executionIdParameter(c);
  const meta = await store.log.meta(id);
  if (meta === undefined) throw executionNotFound(id);
  const headers = {
    "content-type": BUNDLE_TYPE,
    "content-disposition": `attachment; filename="execution-${id}.jsonl"`,
  };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const workflow = await catalog.get(definitionId(meta.workflowId, meta), meta.version).catch(() => undefined);
  const lines = bundleLines({ log: store.log, meta, workflow, release: info.version, now: Date.now() });
  return c.body(textStream(lines), 200, headers);
}
