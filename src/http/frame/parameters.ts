/**
 * Parameters of the path and the query, checked.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { parseIsoTime } from "../../lib/iso_time.ts";
import { isExecutionId } from "../../lib/uuidv7.ts";
import { isEntryId } from "../../lib/entry_id.ts";
import { parsePointer } from "../../lib/json_pointer.ts";
import { isSessionId } from "../../sessions/session.ts";
import { isWorkflowId, WORKFLOW_ID } from "../../workflow/schema.ts";
import type { AppEnv } from "./deps.ts";

/** A whole number from the query. Throws `invalid_parameter` outside `min` to `max`. */
export function integerParameter(
  c: Context<AppEnv>,
  name: string,
  options: { min: number; max: number; defaultValue: number },
): number {
  const { min, max, defaultValue } = options;
  const text = c.req.query(name);
  if (text === undefined) return defaultValue;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new MillraceError("invalid_parameter", `Expected "${name}" to be ${min} to ${max}: received "${text}"`, {
    extensions: { parameter: name },
  });
}

/** The size of a page: `limit` from the query, 1 to 500, 50 by default. Throws `invalid_parameter`. */
export function limitParameter(c: Context<AppEnv>): number {
  return integerParameter(c, "limit", { min: 1, max: 500, defaultValue: 50 });
}

/** One of a set of words from the query, or `undefined`. Throws `invalid_parameter` for any other. */
export function choiceParameter<T extends string>(
  c: Context<AppEnv>,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = c.req.query(name);
  if (text === undefined) return undefined;
  const choice = choices.find((word) => word === text);
  if (choice !== undefined) return choice;
  throw new MillraceError(
    "invalid_parameter",
    `Expected "${name}" to be one of ${choices.join(", ")}: received "${text}"`,
    { extensions: { parameter: name } },
  );
}

/** A text from the query; `undefined` when absent or empty. Throws `invalid_parameter` past `maxLength` characters. */
export function textParameter(
  c: Context<AppEnv>,
  name: string,
  { maxLength }: { maxLength: number },
): string | undefined {
  const text = c.req.query(name);
  if (text === undefined || text === "") return undefined;
  if (text.length <= maxLength) return text;
  throw new MillraceError(
    "invalid_parameter",
    `Expected "${name}" to have at most ${maxLength} characters: received ${text.length}`,
    { extensions: { parameter: name } },
  );
}

/** A time from the query, in epoch milliseconds or ISO 8601. Throws `invalid_parameter` for any other text. */
export function timeParameter(c: Context<AppEnv>, name: string): number | undefined {
  const text = c.req.query(name);
  if (text === undefined || text === "") return undefined;
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : parseIsoTime(text);
  if (ms !== undefined) return ms;
  throw new MillraceError(
    "invalid_parameter",
    `Expected "${name}" to be epoch milliseconds or an ISO 8601 time: received "${text}"`,
    { extensions: { parameter: name } },
  );
}

/** The cursor of a list, an execution id, or `undefined`. Throws `invalid_parameter` for any other text. */
export function cursorParameter(c: Context<AppEnv>): string | undefined {
  const cursor = c.req.query("cursor");
  if (cursor === undefined || isExecutionId(cursor)) return cursor;
  throw new MillraceError("invalid_parameter", `Expected "cursor" from a nextCursor: received "${cursor}"`, {
    extensions: { parameter: "cursor" },
  });
}

/** The execution id in the path, which is also added to the log line. Throws `invalid_execution_id`. */
export function executionIdParameter(c: Context<AppEnv>, name = "id"): string {
  const text = c.req.param(name) ?? "";
  const id = text.toLowerCase();
  if (!isExecutionId(id)) throw new MillraceError("invalid_execution_id", `"${text}" is not a UUID of version 7`);
  c.set("executionId", id);
  return id;
}

/**
 * The session id in the path: 1 to 256 characters of Unicode, none of them a control character. Throws
 * `invalid_parameter` for any other.
 */
export function sessionIdParameter(c: Context<AppEnv>): string {
  const id = decodePath(new URL(c.req.url).pathname.split("/")[3] ?? "");
  if (isSessionId(id)) return id;
  throw new MillraceError(
    "invalid_parameter",
    "Expected a session id of 1 to 256 characters, none a control character",
    {
      extensions: { parameter: "id" },
    },
  );
}

/**
 * The JSON pointer in the path, from its `from`-th segment on. It is percent-decoded as a whole (RFC 6901, section 6),
 * so `%2F` separates tokens, and `~1` is a slash within one. Throws `invalid_parameter` for an invalid pointer.
 */
export function pointerParameter(c: Context<AppEnv>, options: { from: number }): string[] {
  const segments = new URL(c.req.url).pathname.split("/").slice(options.from);
  const tokens = parsePointer(decodePath(segments.map((segment) => `/${segment}`).join("")));
  if (tokens !== undefined) return tokens;
  throw new MillraceError("invalid_parameter", "Expected a JSON pointer: a ~ stands before 0 or 1", {
    extensions: { parameter: "pointer" },
  });
}

function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new MillraceError("malformed_request", "The path has an escape that is no UTF-8", { cause: error });
  }
}

/** The workflow id in the path. Throws `invalid_parameter` for an invalid id. */
export function workflowIdParameter(c: Context<AppEnv>): string {
  const id = c.req.param("id") ?? "";
  if (WORKFLOW_ID.test(id)) return id;
  throw new MillraceError(
    "invalid_parameter",
    `Expected a workflow id of 1 to 128 letters, digits, "_", "." and "-": received "${id}"`,
    { extensions: { parameter: "id" } },
  );
}

/** The workflow of which a list is wanted, from the query, or `undefined`. Throws `invalid_parameter` for an invalid id. */
export function workflowFilter(c: Context<AppEnv>): string | undefined {
  const id = c.req.query("workflow");
  if (id === undefined || isWorkflowId(id)) return id;
  throw new MillraceError("invalid_parameter", `Expected "workflow" to be the id of one: received "${id}"`, {
    extensions: { parameter: "workflow" },
  });
}

/**
 * The id after which a reader of events resumes: `Last-Event-ID`, which a reconnecting `EventSource` sends, or else
 * `?from=`. `isId` checks its form. Throws `invalid_last_event_id`.
 */
export function resumeParameter(c: Context<AppEnv>, isId = isEntryId): string | undefined {
  const text = c.req.header("last-event-id") || c.req.query("from");
  if (text === undefined || text === "") return undefined;
  if (isId(text)) return text;
  throw new MillraceError("invalid_last_event_id", `"${text}" is not an id that an event came with`);
}
