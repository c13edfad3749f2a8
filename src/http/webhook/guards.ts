/**
 * Who may call a webhook, and how often: its `allow` and `rateLimit`.
 */
import { type AddressRange, clientAddress, isInRanges } from "../../lib/address_ranges.ts";
import { encodeBase64 } from "../../lib/base64.ts";
import { sha256 } from "../../lib/digest.ts";
import { MillraceError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { RateLimits } from "../../execution/rate_limits.ts";
import type { WebhookMatch } from "../../workflow/webhook_matcher.ts";
import type { AppEnv } from "../frame/deps.ts";
import { rateLimitFields } from "../protocol/rate_limit_fields.ts";

/**
 * Refuses calls from other addresses. The address is that of the connection, or the one that trusted proxies report.
 *
 * @throws {MillraceError} `address_not_allowed`
 */
export function checkAddress(
  { request, peer }: { readonly request: Request; readonly peer: AppEnv["Bindings"]["peer"] },
  { allow, trusted }: { readonly allow: readonly AddressRange[]; readonly trusted: readonly AddressRange[] },
): void {
  const forwarded = request.headers.get("x-forwarded-for");
  if (isInRanges(clientAddress(peer?.() ?? "", { forwarded, trusted }), allow)) return;
  throw new MillraceError("address_not_allowed", "This webhook does not take calls from your address");
}

/**
 * Counts a call, and sets the fields that tell of its limit.
 *
 * The key is evaluated over the trigger's output; calls whose key has no value share one limit.
 *
 * @throws {MillraceError} `rate_limited` with `Retry-After`
 */
export async function limitRate(
  rateLimits: RateLimits,
  { workflow: { id: workflowId, version }, webhook }: WebhookMatch,
  { input, headers }: { readonly input: JsonValue; readonly headers: Record<string, string> },
): Promise<void> {
  const { key, ...limit } = webhook.rateLimit!;
  const scope = { input, trigger: input, nodes: {}, execution: { id: "", workflowId, version }, now: Date.now() };
  let value: JsonValue = null;
  try {
    if (key !== undefined) value = await key(scope);
  } catch {
    // As those without a value.
  }
  const admission = await rateLimits.admit(await digest([workflowId, webhook.nodeId, value]), limit);
  Object.assign(headers, rateLimitFields(limit, admission));
  if (admission.admitted) return;
  throw new MillraceError("rate_limited", `This webhook takes ${limit.limit} calls in ${limit.perSeconds} s`, {
    headers: { "retry-after": String(Math.ceil(admission.resetMs / 1000)) },
  });
}

/** A digest, so that a name has a fixed length. */
async function digest(value: unknown): Promise<string> {
  return encodeBase64(await sha256(JSON.stringify(value)));
}
