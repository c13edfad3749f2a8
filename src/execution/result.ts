/**
 * How an execution ends, and what its caller is answered.
 */
import type { ExecutionStatus } from "./event.ts";
import type { JsonValue } from "../lib/json.ts";
import type { NodeErrorData } from "../lib/errors.ts";

/** The response that an `httpResponse` node made. */
export interface ResponseData {
  readonly status: number;
  /** Names in lower case; a list for a repeated header. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** JSON; a string goes out as it is when `headers` has a `content-type`. */
  readonly body?: JsonValue;
  /** Base64 of the bytes to send, instead of `body`. */
  readonly bodyBase64?: string;
}

/** How an execution ended, as `GET …/result` answers it. */
export interface ExecutionResult {
  readonly executionId: string;
  /** `responded`: the `httpResponse` node of a `responseNode` webhook answered, and the rest still runs. */
  readonly status: ExecutionStatus | "responded";
  readonly response?: ResponseData;
  readonly output?: JsonValue;
  readonly error?: NodeErrorData;
}
