/**
 * How entries of the feed look on Redis, and back.
 *
 * An entry has the fields `execution`, `first` (the id of the append's first event), `last` where the events are in more
 * than one entry of the log, and `append`, which says with spaces between: workflow, version, types of the events by
 * comma, and of an execution that has ended its status, the time of its request and for how many seconds its history is
 * kept from its end on. Few fields, since Redis, the link and their reader pay for each.
 *
 * What arrived from elsewhere (see `scripts/arrive.ts`) ended at another time than its log says, and an older version wrote
 * every entry so: `workflow`, `version`, `types`, `last`, and `status`, `requestedAt`, `endedAt` and `keptUntil` are
 * fields of their own.
 */
import type { ExecutionStatus } from "../../execution/event.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import { entryIdAfter, entryTime } from "../../lib/entry_id.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";

/** What was appended, and to what; `types` of the events by comma. */
export interface Appended {
  readonly workflowId: string;
  readonly version: number;
  readonly types: string;
}

/** What `append` says where an execution has ended, up to how long it is kept. */
export function endingOf(
  { workflowId, version, types }: Appended,
  { status, requestedAt }: { status: string; requestedAt: number },
): string {
  return `${workflowId} ${version} ${types} ${status} ${requestedAt}`;
}

/** A feed entry's fields as the port has them. */
export function decodeFeedEntry({ id, fields }: StreamEntry, partition: number): FeedEntry {
  const executionId = fields.get("execution") ?? "";
  const first = fields.get("first") ?? "";
  const append = fields.get("append");
  if (append === undefined) return { id, partition, executionId, first, ...partsIn(fields) };
  const [workflowId = "", version, names = "", status, requestedAt, keptSeconds] = append.split(" ");
  const types = names.split(",");
  const last = fields.get("last") ?? entryIdAfter(first, types.length - 1);
  const entry = { id, partition, executionId, workflowId, version: Number(version), first, last, types };
  if (status === undefined) return entry;
  const endedAt = entryTime(last);
  const keptUntil = endedAt + Number(keptSeconds) * 1000;
  return {
    ...entry,
    ended: { status: status as ExecutionStatus, requestedAt: Number(requestedAt), endedAt, keptUntil },
  };
}

/** The same where each part is a field of its own. */
function partsIn(
  fields: StreamEntry["fields"],
): Pick<FeedEntry, "workflowId" | "version" | "last" | "types" | "ended"> {
  const number = (name: string) => Number(fields.get(name));
  const status = fields.get("status");
  return {
    workflowId: fields.get("workflow") ?? "",
    version: number("version"),
    last: fields.get("last") ?? "",
    types: (fields.get("types") ?? "").split(","),
    ...(status !== undefined && {
      ended: {
        status: status as ExecutionStatus,
        requestedAt: number("requestedAt"),
        endedAt: number("endedAt"),
        keptUntil: number("keptUntil"),
      },
    }),
  };
}
