/**
 * Makes the submission of a call: the trigger's output and the idempotency key.
 */
import { ownKey } from "../../execution/request.ts";
import type { Submission } from "../../execution/submit.ts";
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import type { Webhook } from "../../workflow/definition.ts";
import type { AppDeps } from "../frame/deps.ts";
import { idempotencyOf } from "../protocol/idempotency.ts";
import { bodyLimits } from "../protocol/request_body.ts";
import { parseContent, parseForm } from "./content.ts";
import { recordedHeaders } from "./recorded_headers.ts";
import type { Verified } from "./verify/verify.ts";

/** A call whose body was read. */
export interface ReadCall {
  readonly request: Request;
  /** What its `Headers` have. */
  readonly sent: () => Iterable<[string, string]>;
  /** Without the prefix, as sent. */
  readonly path: string;
  readonly query: string;
  readonly params: Record<string, string>;
  readonly bytes: Uint8Array;
  readonly webhook: Webhook;
  /** How the caller was verified; `undefined` when the webhook does not verify. */
  readonly verified: Verified | undefined;
}

/** Throws what `parseContent` and `idempotencyOf` do. */
export async function submissionOf(
  call: ReadCall,
  config: AppDeps["config"],
): Promise<Pick<Submission, "trigger" | "input" | "idempotency">> {
  const { request, path, query, bytes, webhook, verified } = call;
  const ttlSeconds = config.idempotencyTtlSeconds;
  const contentType = request.headers.get("content-type");
  const body = bytes.length === 0 ? null : await parseContent(bytes, contentType, bodyLimits(config));
  const input = triggerInput(call, body, config.redactHeaders);
  const deliveryId = verified?.deliveryId;
  // The delivery's id is the key, so a repeated delivery gets the first answer although its signature differs.
  const idempotency = deliveryId === undefined
    ? idempotencyOf(request, { scope: [request.method, webhook.nodeId, path, query], body: bytes, ttlSeconds })
    : { key: ownKey(`delivery:${webhook.nodeId}:${deliveryId}`), fingerprint: "delivery", ttlSeconds };
  return {
    trigger: webhook.nodeId,
    input: verified === undefined ? input : { ...input, verified: { ...verified } },
    idempotency: idempotency && await idempotency,
  };
}

/** The trigger's output. */
function triggerInput(
  { request, sent, path, query, params, webhook }: ReadCall,
  body: JsonValue,
  redact: readonly string[],
): JsonObject {
  return {
    method: request.method,
    path,
    params,
    headers: recordedHeaders(sent(), { webhook, redact }),
    query: query === "" ? {} : parseForm(query),
    body,
  };
}
