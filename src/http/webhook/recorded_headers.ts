/**
 * Which headers of a webhook's request become part of the trigger's output, and so of the log: all but those that carry
 * credentials, unless the trigger asks for them (`recordHeaders`).
 */
import { isCredentialHeader } from "../../lib/credentials.ts";
import { type JsonObject, setMember } from "../../lib/json.ts";
import type { Webhook } from "../../workflow/definition.ts";

/** Names whose verdict is remembered: senders have few, and anybody may make up more. */
const MAX_NAMES = 1000;
const verdicts = new Map<string, boolean>();

/**
 * The headers that are recorded, of those of a request.
 *
 * @param options.redact further names that are not recorded (setting `REDACT_HEADERS`), in lower case
 */
export function recordedHeaders(
  headers: Iterable<[string, string]>,
  { webhook, redact }: { webhook: Webhook; redact: readonly string[] },
): JsonObject {
  const recorded: JsonObject = {};
  for (const [name, value] of headers) {
    const isSecret = isCredential(name) || redact.includes(name) || name === webhook.verify?.header;
    if (isSecret && !webhook.recordHeaders?.includes(name)) continue;
    setMember(recorded, name, value);
  }
  return recorded;
}

function isCredential(name: string): boolean {
  let verdict = verdicts.get(name);
  if (verdict === undefined) {
    verdict = isCredentialHeader(name);
    if (verdicts.size < MAX_NAMES) verdicts.set(name, verdict);
  }
  return verdict;
}
