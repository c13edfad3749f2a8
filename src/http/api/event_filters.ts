/**
 * The filters of a follower: `?type=`, `?status=` and `?workflow=`.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { type EventType, EXECUTION_STATUSES, type ExecutionStatus, isEnded } from "../../execution/event.ts";
import type { AppEnv } from "../frame/deps.ts";
import { workflowFilter } from "../frame/parameters.ts";

const EVENT_TYPES: ReadonlySet<string> = new Set<EventType>([
  "execution.requested",
  "execution.started",
  "execution.progress",
  "execution.paused",
  "execution.resumed",
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "node.started",
  "node.progress",
  "node.completed",
  "node.failed",
  "node.skipped",
  "node.retrying",
  "node.waiting",
]);

/** The filters of a follower; an absent one lets everything pass. */
export interface EventFilters {
  readonly workflowId?: string;
  readonly types?: ReadonlySet<string>;
  readonly statuses?: ReadonlySet<ExecutionStatus>;
}

/** Reads the filters of a call. Throws `invalid_parameter` for an unknown type or status. */
export function eventFilters(c: Context<AppEnv>): EventFilters {
  const workflowId = workflowFilter(c);
  const types = words(c, "type", EVENT_TYPES);
  const statuses = words(c, "status", new Set<string>(EXECUTION_STATUSES));
  return {
    ...(workflowId !== undefined && { workflowId }),
    ...(types !== undefined && { types }),
    ...(statuses !== undefined && { statuses: statuses as ReadonlySet<ExecutionStatus> }),
  };
}

/** Whether events of every type and status pass. */
export function passesAll({ types, statuses }: EventFilters): boolean {
  return types === undefined && statuses === undefined;
}

/** Whether an event passes, by its type and by the status that its execution has after it. */
export function passes({ types, statuses }: EventFilters, type: string): boolean {
  return (types === undefined || types.has(type)) && (statuses === undefined || statuses.has(statusWith(type)));
}

/** The status of an execution after an event of this type; events of nodes occur while it is running. */
function statusWith(type: string): ExecutionStatus {
  if (type === "execution.requested") return "pending";
  if (type === "execution.paused") return "paused";
  const status = type.slice("execution.".length) as ExecutionStatus;
  return type.startsWith("execution.") && isEnded(status) ? status : "running";
}

/** The words of a parameter that may be repeated, and may have several by commas. */
function words(c: Context<AppEnv>, name: string, known: ReadonlySet<string>): ReadonlySet<string> | undefined {
  const asked = (c.req.queries(name) ?? []).flatMap((value) => value.split(",")).filter((word) => word !== "");
  const unknown = asked.find((word) => !known.has(word));
  if (unknown !== undefined) {
    const what = name === "type" ? "an event type" : `one of ${[...known].join(", ")}`;
    throw new MillraceError("invalid_parameter", `Expected "${name}" to be ${what}: received "${unknown}"`, {
      extensions: { parameter: name },
    });
  }
  return asked.length === 0 ? undefined : new Set(asked);
}
