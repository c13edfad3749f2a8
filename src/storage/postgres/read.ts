/**
 * What is read of archived executions: their logs, page by page, and pages of their list.
 */
import type { ExecutionMeta, ReadOptions } from "../../execution/log.ts";
import { PAGE_BYTES } from "../../execution/log.ts";
import type { ExecutionStatus, StoredEvent } from "../../execution/event.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import { readLine, withValue } from "../../feed/log_lines.ts";
import type { ExecutionPage } from "../../feed/projections.ts";
import { REQUEST_SLACK_MS, type SearchOptions } from "../../feed/search_executions.ts";
import { searchTerm } from "../../feed/search.ts";
import type { Database } from "./database.ts";
import { firstIdOf } from "../../lib/uuidv7.ts";

const ENDED = ["completed", "failed", "cancelled"] as const satisfies readonly ExecutionStatus[];

/** The columns of a list. */
interface MetaRow {
  readonly id: string;
  readonly workflow_id: string;
  readonly version: number;
  readonly status: ExecutionStatus;
  readonly requested_at: string;
  readonly ended_at: string;
}

const META = "id, workflow_id, version, status, requested_at, ended_at";

/** An execution without its log. */
export async function readMeta(database: Database, executionId: string): Promise<ExecutionMeta | undefined> {
  const [row] = await database.read<MetaRow>(`SELECT ${META} FROM millrace.executions WHERE id = $1`, [executionId]);
  return row && metaOf(row);
}

/** Events after `after`, page by page; each is bounded by the bytes of its part and of the values in it. */
export async function* readPages(
  database: Database,
  executionId: string,
  options: ReadOptions = {},
): AsyncIterable<StoredEvent[]> {
  const { after = "0-0", limit = Infinity, values = true } = options;
  const [ms = "0", count = "0"] = after.split("-");
  let left = limit;
  for (let part = -1; left > 0;) {
    const [row] = await database.read<{ part: number; lines: string }>(
      `SELECT part, lines FROM millrace.logs
       WHERE id = $1 AND part > $2 AND (last_ms, last_count) > ($3, $4) ORDER BY part LIMIT 1`,
      [executionId, part, ms, count],
    );
    if (row === undefined) return;
    part = row.part;
    let page: StoredEvent[] = [];
    let bytes = 0;
    for (const line of row.lines.split("\n")) {
      const { event, value } = readLine(line);
      if (compareEntryIds(event.id, after) <= 0) continue;
      if (left-- <= 0) break;
      if (value === undefined || !values) {
        page.push(event);
        continue;
      }
      if (bytes + value.length > PAGE_BYTES && page.length > 0) {
        yield page;
        page = [];
        bytes = 0;
      }
      const json = await readValue(database, executionId, value.name);
      page.push(json === undefined ? event : withValue(event, value, json));
      bytes += value.length;
    }
    if (page.length > 0) yield page;
  }
}

/** The JSON of a value that stands beside its log. */
async function readValue(database: Database, executionId: string, name: string): Promise<string | undefined> {
  const text = "SELECT json FROM millrace.values WHERE id = $1 AND name = $2";
  return (await database.read<{ json: string }>(text, [executionId, name]))[0]?.json;
}

/**
 * A page of the list, newest first. Each status is asked for apart, along the index that has it: so a page costs the
 * same however rare what it shows is.
 */
export async function readList(database: Database, options: SearchOptions): Promise<ExecutionPage> {
  const { limit, workflowId, status, cursor, q, from, to } = options;
  if (status !== undefined && !ENDED.some((ended) => ended === status)) return { executions: [] };
  const values: unknown[] = [];
  const place = (value: unknown) => `$${values.push(value)}`;
  const shared: string[] = [];
  if (cursor !== undefined) shared.push(`id < ${place(cursor)}`);
  if (workflowId !== undefined) shared.push(`workflow_id = ${place(workflowId)}`);
  if (from !== undefined) {
    shared.push(`id >= ${place(firstIdOf(from - REQUEST_SLACK_MS))} AND requested_at >= ${place(from)}`);
  }
  if (to !== undefined) {
    shared.push(`id < ${place(firstIdOf(to + REQUEST_SLACK_MS))} AND requested_at < ${place(to)}`);
  }
  if (q !== undefined) {
    const pattern = `%${searchTerm(q).replaceAll(/[\\%_]/g, "\\$&")}%`;
    shared.push(`search IS NOT NULL AND search LIKE ${place(pattern)}`);
  }
  const statuses = status !== undefined ? [status] : workflowId !== undefined && q === undefined ? ENDED : [undefined];
  const most = place(limit + 1);
  const selects = statuses.map((one) => {
    const conditions = one === undefined ? shared : [...shared, `status = ${place(one)}`];
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
    return `(SELECT ${META} FROM millrace.executions${where} ORDER BY id DESC LIMIT ${most})`;
  });
  const together = selects.length === 1 ? selects[0]! : `${selects.join(" UNION ALL ")} ORDER BY id DESC LIMIT ${most}`;
  const rows = await database.read<MetaRow>(together, values);
  const executions = rows.slice(0, limit).map(metaOf);
  return rows.length > limit ? { executions, nextCursor: executions.at(-1)!.executionId } : { executions };
}

function metaOf(row: MetaRow): ExecutionMeta {
  return {
    executionId: row.id,
    workflowId: row.workflow_id,
    version: row.version,
    status: row.status,
    requestedAt: Number(row.requested_at),
    endedAt: Number(row.ended_at),
  };
}
