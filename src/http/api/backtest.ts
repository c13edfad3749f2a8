/**
 * `POST /api/workflows/<id>/backtest`: recorded executions through a draft, and what it would have changed, as
 * Server-Sent Events, as lines or as one document.
 */
import type { Context, Hono } from "hono";
import { type Fault, InvalidWorkflowError, MillraceError } from "../../lib/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import { isExecutionId } from "../../lib/uuidv7.ts";
import { isEnded } from "../../execution/event.ts";
import type { Projections } from "../../feed/projections.ts";
import type { BacktestItem, Backtests } from "../../replay/backtest.ts";
import { MAX_VERSION } from "../../workflow/schema.ts";
import { bodyOptions } from "../frame/body_options.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { workflowIdParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";
import { negotiate } from "../protocol/accept.ts";
import type { BodyBudget } from "../protocol/body_budget.ts";
import { readJson } from "../protocol/request_body.ts";
import { EVENT_STREAM_HEADERS, serverSentEvents } from "../protocol/server_sent_events.ts";
import { textStream } from "../protocol/text_stream.ts";

const TYPES = ["application/json", "application/x-ndjson", EVENT_STREAM_HEADERS["content-type"]] as const;

/** How many executions a backtest runs, at most and by default. */
const MAX_EXECUTIONS = 1000;
const DEFAULT_EXECUTIONS = 100;
/** How many ids are listed at once. */
const PAGE = 100;

/** Adds the resource to the app. */
export function backtest(app: Hono<AppEnv>, deps: AppDeps, bodies: BodyBudget): void {
  const { backtests } = deps;
  if (backtests === undefined) return;
  resource(app, "/api/workflows/:id/backtest", { POST: (c) => runBacktest(c, { ...deps, backtests }, bodies) });
}

async function runBacktest(
  c: Context<AppEnv>,
  deps: AppDeps & { backtests: Backtests },
  bodies: BodyBudget,
): Promise<Response> {
  c.set("changed", "nothing");
  const workflowId = workflowIdParameter(c);
  const type = negotiate(c.req.header("accept"), TYPES);
  if (type === undefined) {
    throw new MillraceError("not_acceptable", `Can answer ${TYPES.join(", ")} here`, { headers: { vary: "Accept" } });
  }
  const share = bodies.open();
  const abort = new AbortController();
  const signal = AbortSignal.any([
    abort.signal,
    c.req.raw.signal,
    ...(deps.drainSignal === undefined ? [] : [deps.drainSignal]),
  ]);
  let items: AsyncIterable<BacktestItem>;
  try {
    const wanted = parseBody(await readJson(c.req.raw, bodyOptions(c, deps, share)));
    const executions = wanted.executions ?? newest(deps.store.projections, workflowId, wanted.last);
    const { definition, version } = wanted;
    items = await deps.backtests.start({ workflowId, definition, version, executions, signal });
  } catch (error) {
    throw inDefinition(error);
  } finally {
    share.close();
  }
  const headers = { "content-type": type, "cache-control": "no-store", vary: "Accept" };
  if (type === EVENT_STREAM_HEADERS["content-type"]) {
    const requestId = c.get("requestId");
    const follow = (gone: AbortSignal) => {
      gone.addEventListener("abort", () => abort.abort(), { once: true });
      return messages(items);
    };
    const body = serverSentEvents(follow, {
      signal,
      onError: (error) => deps.logger.warn({ error, requestId }, "backtest ended early"),
    });
    return c.body(body as ReadableStream<Uint8Array<ArrayBuffer>>, 200, { ...EVENT_STREAM_HEADERS, ...headers });
  }
  const texts = type === "application/json" ? document(items) : lines(items);
  return c.body(textStream(texts, { onCancel: () => abort.abort() }), 200, headers);
}

async function* messages(items: AsyncIterable<BacktestItem>) {
  for await (const item of items) {
    yield "summary" in item
      ? [{ event: "summary", data: JSON.stringify(item.summary) }]
      : [{ event: "execution", data: JSON.stringify(item.execution) }];
  }
}

async function* lines(items: AsyncIterable<BacktestItem>): AsyncGenerator<string> {
  for await (const item of items) yield `${JSON.stringify(item)}\n`;
}

/** `{executions, summary}`, made as it goes. */
async function* document(items: AsyncIterable<BacktestItem>): AsyncGenerator<string> {
  let before = '{"executions":[';
  for await (const item of items) {
    if ("summary" in item) {
      yield `${before === "," ? "" : before}],"summary":${JSON.stringify(item.summary)}}`;
    } else {
      yield `${before}${JSON.stringify(item.execution)}`;
      before = ",";
    }
  }
}

/** The ids of the newest executions that have ended. */
async function* newest(projections: Projections, workflowId: string, last: number): AsyncGenerator<string> {
  let cursor: string | undefined;
  let left = last;
  do {
    const page = await projections.list({ workflowId, limit: PAGE, ...(cursor !== undefined && { cursor }) });
    for (const { executionId, status } of page.executions) {
      if (!isEnded(status)) continue;
      if (left-- === 0) return;
      yield executionId;
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

interface Wanted {
  readonly definition: JsonValue | undefined;
  readonly version: number | undefined;
  readonly last: number;
  readonly executions: readonly string[] | undefined;
}

function parseBody(body: JsonValue | undefined): Wanted {
  if (body !== undefined && !isJsonObject(body)) throw invalid("", "Expected an object");
  const { definition, version, last, executions, ...rest } = (body ?? {}) as JsonObject;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(unknown, `Unknown member "${unknown}"`);
  if (definition !== undefined && version !== undefined) {
    throw invalid("version", 'Expected "definition" or "version", not both');
  }
  if (version !== undefined && !isWhole(version, MAX_VERSION)) {
    throw invalid("version", 'Expected "version" to be the number of a version');
  }
  if (last !== undefined && executions !== undefined) {
    throw invalid("last", 'Expected "last" or "executions", not both');
  }
  if (last !== undefined && !isWhole(last, MAX_EXECUTIONS)) {
    throw invalid("last", `Expected "last" to be 1 to ${MAX_EXECUTIONS}`);
  }
  if (executions !== undefined && !isListOfIds(executions)) {
    throw invalid("executions", `Expected "executions" to be a list of 1 to ${MAX_EXECUTIONS} execution ids`);
  }
  return {
    definition,
    version: version as number | undefined,
    last: (last ?? DEFAULT_EXECUTIONS) as number,
    executions: executions as string[] | undefined,
  };
}

function isWhole(value: JsonValue, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max;
}

function isListOfIds(value: JsonValue): boolean {
  return Array.isArray(value) && value.length > 0 && value.length <= MAX_EXECUTIONS &&
    value.every((id) => typeof id === "string" && isExecutionId(id));
}

function invalid(parameter: string, message: string): MillraceError {
  return new MillraceError("invalid_parameter", message, { extensions: parameter === "" ? {} : { parameter } });
}

/** The faults of a definition, by their place in the body. */
function inDefinition(error: unknown): unknown {
  if (!(error instanceof InvalidWorkflowError)) return error;
  return new InvalidWorkflowError(
    error.faults.map(({ pointer, detail }): Fault => ({ pointer: `/definition${pointer}`, detail })),
  );
}
