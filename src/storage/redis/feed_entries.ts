/**
 * How entries of the feed look on Redis, and back.
 *
 * An entry has the fields `execution`, `workflow`, `version`, `first` (the id of the append's first event), `types` (of
 * its events, by comma), `last` where the events are in more than one entry of the log, and where the execution has
 * ended `ended`: its status, the time of its request and how many seconds its history is kept from its end on. What
 * arrived from elsewhere (see `scripts/arrive.ts`) ended at another time than its log says, and an older version wrote
 * every entry so: `status`, `requestedAt`, `endedAt` and `keptUntil` are fields of their own.
 */
import type { ExecutionStatus } from "../../execution/event.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import { entryIdAfter, entryTime } from "../../lib/entry_id.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";

/** What `ended` says; times in epoch milliseconds. */
export function endOf(
  { status, requestedAt, historyTtlSeconds }: { status: string; requestedAt: number; historyTtlSeconds: number },
): string {
  return `${status} ${requestedAt} ${historyTtlSeconds}`;
}

/** A feed entry's fields as the port has them. */
export function decodeFeedEntry({ id, fields }: StreamEntry, partition: number): FeedEntry {
  const types = (fields.get("types") ?? "").split(",");
  const first = fields.get("first") ?? "";
  const last = fields.get("last") ?? entryIdAfter(first, types.length - 1);
  const ended = endIn(fields, last);
  return {
    id,
    partition,
    executionId: fields.get("execution") ?? "",
    workflowId: fields.get("workflow") ?? "",
    version: Number(fields.get("version")),
    first,
    last,
    types,
    ...(ended !== undefined && { ended }),
  };
}

function endIn(fields: StreamEntry["fields"], last: string): FeedEntry["ended"] {
  const ended = fields.get("ended");
  if (ended !== undefined) {
    const [status, requestedAt, keptSeconds] = ended.split(" ");
    const endedAt = entryTime(last);
    const keptUntil = endedAt + Number(keptSeconds) * 1000;
    return { status: status as ExecutionStatus, requestedAt: Number(requestedAt), endedAt, keptUntil };
  }
  const status = fields.get("status");
  if (status === undefined) return undefined;
  const number = (name: string) => Number(fields.get(name));
  return {
    status: status as ExecutionStatus,
    requestedAt: number("requestedAt"),
    endedAt: number("endedAt"),
    keptUntil: number("keptUntil"),
  };
}
