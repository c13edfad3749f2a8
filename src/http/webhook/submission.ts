/**
 * Makes the submission of a call: the trigger's output and the idempotency key.
 */
import { type Idempotency, ownKey } from "../../execution/request.ts";
import type { Submission } from "../../execution/submit.ts";
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import { whenReady } from "../../lib/when_ready.ts";
import type { Webhook } from "../../workflow/definition.ts";
import type { AppDeps } from "../frame/deps.ts";
import type { SentHeaders } from "../frame/sent_headers.ts";
import { idempotencyOf } from "../protocol/idempotency.ts";
import { bodyLimits } from "../protocol/request_body.ts";
import { parseContent, parseForm } from "./content.ts";
import { recordedHeaders } from "./recorded_headers.ts";
import type { Verified } from "./verify/verify.ts";

/** A call whose body was read. */
export interface ReadCall {
  readonly request: Request;
  readonly sent: SentHeaders;
  /** Without the prefix, as sent. */
  readonly path: string;
  readonly query: string;
  readonly params: Record<string, string>;
  readonly bytes: Uint8Array;
  readonly webhook: Webhook;
  /** How the caller was verified; `undefined` when the webhook does not verify. */
  readonly verified: Verified | undefined;
}

type CallSubmission = Pick<Submission, "trigger" | "input" | "idempotency">;

/** Comes at once where it can. Throws, or rejects with, what `parseContent` and `idempotencyOf` do. */
export function submissionOf(call: ReadCall, config: AppDeps["config"]): CallSubmission | Promise<CallSubmission> {
  const { sent, bytes, webhook: { nodeId: trigger }, verified } = call;
  return whenReady(parseContent(bytes, sent.get("content-type"), bodyLimits(config)), (body) => {
    const own = triggerInput(call, body, config.redactHeaders);
    const input = verified === undefined ? own : { ...own, verified: { ...verified } };
    const key = keyOf(call, config.idempotencyTtlSeconds);
    return whenReady<Idempotency | undefined, CallSubmission>(key, (idempotency) => ({ trigger, input, idempotency }));
  });
}

function keyOf(call: ReadCall, ttlSeconds: number): Idempotency | Promise<Idempotency> | undefined {
  const { request, sent, path, query, bytes: body, webhook: { nodeId }, verified } = call;
  const deliveryId = verified?.deliveryId;
  // The delivery's id is the key, so a repeated delivery gets the first answer although its signature differs.
  if (deliveryId !== undefined) {
    return { key: ownKey(`delivery:${nodeId}:${deliveryId}`), fingerprint: "delivery", ttlSeconds };
  }
  if (sent.get("idempotency-key") === null) return undefined;
  return idempotencyOf(request, { scope: [request.method, nodeId, path, query], body, ttlSeconds });
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
    headers: recordedHeaders(sent, { webhook, redact }),
    query: query === "" ? {} : parseForm(query),
    body,
  };
}
