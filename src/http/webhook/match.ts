/**
 * Which webhook a request is for.
 */
import type { WebhookMatch } from "../../workflow/webhook_matcher.ts";
import type { AppDeps } from "../frame/deps.ts";

/** Matches the method, and `GET` for `HEAD` where nothing asks for `HEAD` itself (RFC 9110, section 9.3.2). */
export function matchWebhook(
  catalog: AppDeps["catalog"],
  method: string,
  path: string,
): WebhookMatch | { allow: string[] } | undefined {
  const match = catalog.matchWebhook(method, path);
  if (method !== "HEAD" || match === undefined || !("allow" in match) || !match.allow.includes("GET")) return match;
  return catalog.matchWebhook("GET", path);
}
