/**
 * The lock of an execution: what its workflow's `settings.lock` makes of the trigger's output.
 */
import { encodeBase64Url } from "../lib/base64.ts";
import { sha256 } from "../lib/digest.ts";
import { MillraceError, NodeError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { timeOfId } from "../lib/uuidv7.ts";
import type { Template } from "../expression/scope.ts";
import type { ExecutionRequest } from "./request.ts";

/** Bytes of the SHA-256 that tell values apart. */
const DIGEST_BYTES = 16;

/**
 * The request with the lock that its workflow asks for: the digest of the value, by which executions exclude each other. A
 * number and its text are the same value. Expressions see the time at which the id was made.
 *
 * @throws {MillraceError} `invalid_lock` where the expression fails, or has no text, number or truth value
 */
export async function locked(request: ExecutionRequest, lock: Template): Promise<ExecutionRequest> {
  const { executionId, workflowId, version, input, concurrency = { onOverlap: "queue" } } = request;
  const execution = { id: executionId, workflowId, version };
  const scope = { input, trigger: input, nodes: {}, execution, now: timeOfId(executionId) };
  let value: JsonValue;
  try {
    value = await lock(scope);
  } catch (error) {
    throw invalidLock(workflowId, error instanceof NodeError ? `it failed (${error.code})` : "it failed", error);
  }
  if (value === null || value === "") throw invalidLock(workflowId, "it has no value");
  if (typeof value === "object") throw invalidLock(workflowId, "its value is an object or a list");
  const digest = await sha256(String(value));
  return { ...request, concurrency: { ...concurrency, lock: encodeBase64Url(digest.subarray(0, DIGEST_BYTES)) } };
}

function invalidLock(workflowId: string, why: string, cause?: unknown): MillraceError {
  const message = `Cannot take the lock of the workflow "${workflowId}" for this request: ${why}`;
  return new MillraceError("invalid_lock", message, { cause });
}
