/**
 * Pages of executions, newest first, over the indexes of all partitions.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { isEnded } from "../../execution/event.ts";
import type { ExecutionMeta } from "../../execution/log.ts";
import type { ListOptions } from "../../feed/projections.ts";
import { decodeMeta, META_FIELDS } from "./codec.ts";

/** How many ids one page may look at before it ends early, with a cursor to go on from. */
const MOST_LOOKED_AT = 5000;

/** One page. Ids are UUIDv7, so their order is the order of the requests. */
export async function listExecutions(
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  options: ListOptions,
): Promise<{ executions: ExecutionMeta[]; nextCursor?: string }> {
  const { workflowId, status, limit } = options;
  const executions: ExecutionMeta[] = [];
  let cursor = options.cursor;
  for (let looked = 0; looked < MOST_LOOKED_AT;) {
    const ids = await idsBelow(cursor, { keys, commands }, options);
    if (ids.length === 0) return { executions };
    looked += ids.length;
    const metas = await Promise.all(ids.map((id) => commands.send(["HMGET", keys.meta(id), ...META_FIELDS])));
    for (const [i, id] of ids.entries()) {
      if (executions.length === limit) return { executions, nextCursor: cursor! };
      cursor = id;
      const meta = decodeMeta(id, metas[i] as (string | null)[]);
      if (meta === undefined) continue;
      if (status !== undefined && meta.status !== status) continue;
      if (workflowId !== undefined && meta.workflowId !== workflowId) continue;
      executions.push(meta);
    }
  }
  return { executions, nextCursor: cursor! };
}

/** The newest ids below a cursor. */
async function idsBelow(
  cursor: string | undefined,
  { keys, commands }: { keys: Keys; commands: RedisConnection },
  { workflowId, status, limit }: ListOptions,
): Promise<string[]> {
  const which = workflowId !== undefined
    ? `workflow:${workflowId}` as const
    : status === undefined
    ? "all"
    : isEnded(status)
    ? `status:${status}` as const
    : "status:active";
  const count = String(limit + 1);
  const pages = await Promise.all(
    keys.each((partition) => keys.index(partition, which)).map((index) =>
      commands.send<string[]>(
        ["ZRANGE", index, cursor === undefined ? "+" : `(${cursor}`, "-", "BYLEX", "REV", "LIMIT", "0", count],
      )
    ),
  );
  return pages.flat().sort().reverse().slice(0, limit + 1);
}
