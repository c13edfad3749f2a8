/**
 * `/api/history`: exports the whole archive as one stream, and purges old executions from it.
 */
import type { Context, Hono } from "hono";
import type { Archive } from "../../feed/archive.ts";
import { MillraceError } from "../../lib/errors.ts";
import { BUNDLE_TYPE, bundleLines } from "../../replay/bundle.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { timeParameter, workflowFilter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { textStream } from "../protocol/text_stream.ts";

/** How many executions are asked for at once. */
const PAGE = 500;

/** Which executions are meant: requested before a time, and from another one on. */
interface Span {
  readonly to: number;
  readonly from?: number;
  readonly workflowId?: string;
}

/** Adds the resources to the app. */
export function history(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/history", { DELETE: (c) => purgeHistory(c, deps) });
  resource(app, "/api/history/export", { GET: (c) => exportHistory(c, deps) });
}

/** Bundles, one execution after the other, newest first; the last line says how many there were. */
async function exportHistory(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const archive = archiveOf(deps);
  const span = spanOf(c);
  const headers = { "content-type": BUNDLE_TYPE, "content-disposition": 'attachment; filename="history.jsonl"' };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const first = await archive.list({ ...span, limit: PAGE });
  return c.body(textStream(historyLines(first, span, { ...deps, archive })), 200, headers);
}

async function* historyLines(
  first: Awaited<ReturnType<Archive["list"]>>,
  span: Span,
  { archive, catalog, info }: AppDeps & { archive: Archive },
): AsyncGenerator<string> {
  let executions = 0;
  for (let page = first;; page = await archive.list({ ...span, limit: PAGE, cursor: page.nextCursor })) {
    for (const meta of page.executions) {
      const workflow = await catalog.get(meta.workflowId, meta.version).catch(() => undefined);
      yield* bundleLines({ log: archive, meta, workflow, release: info.version, now: Date.now() });
      executions++;
    }
    if (page.nextCursor === undefined) break;
  }
  yield `${JSON.stringify({ kind: "millrace.history.end", executions })}\n`;
}

/** Purges for a while; `done` is false when there is more to come back for. */
async function purgeHistory(c: Context<AppEnv>, deps: AppDeps): Promise<Response> {
  const { to, from, workflowId } = spanOf(c);
  c.set("changed", { before: to, ...(from !== undefined && { from }), ...(workflowId && { workflow: workflowId }) });
  return c.json(
    await archiveOf(deps).purge({
      to,
      ...(from !== undefined && { from }),
      ...(workflowId !== undefined && { workflowId }),
    }),
  );
}

/** @throws {MillraceError} `invalid_parameter` without `before`, so that an omission never purges everything */
function spanOf(c: Context<AppEnv>): Span {
  const to = timeParameter(c, "before");
  if (to === undefined) {
    throw new MillraceError("invalid_parameter", 'Expected "before", a time', { extensions: { parameter: "before" } });
  }
  const from = timeParameter(c, "from");
  const workflowId = workflowFilter(c);
  return { to, ...(from !== undefined && { from }), ...(workflowId !== undefined && { workflowId }) };
}

function archiveOf({ store }: AppDeps): Archive {
  if (store.archive !== undefined) return store.archive;
  throw new MillraceError("not_found", "There is no history: DATABASE_URL is not set");
}
