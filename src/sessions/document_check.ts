/**
 * What a document may hold, whatever keeps it: I-JSON (RFC 7493) of bounded depth. What one store would refuse or
 * change on its way, none takes.
 */
import type { Fault } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { formatPointer } from "../lib/json_pointer.ts";
import { type JsonStep, tokensOf, walkJson } from "../lib/json_walk.ts";

/** How many arrays and objects may stand inside each other; RedisJSON parses 127 levels. */
export const MAX_DEPTH = 100;

/** With `u`, a surrogate matches only where it stands alone. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/**
 * Says what is wrong with a value, or nothing: too deep, a number past the range of a double (`1e400` would come back as
 * null), or a lone surrogate, which is no Unicode (RFC 7493, section 2.1).
 *
 * @param root where the value stands in the document that was sent
 */
export function checkDocument(value: JsonValue, root: readonly string[]): Fault | undefined {
  let fault: Fault | undefined;
  walkJson(value, (step) => {
    const detail = faultOf(step);
    if (detail !== undefined) fault = { pointer: formatPointer([...root, ...tokensOf(step)]), detail };
    return detail !== undefined;
  });
  return fault;
}

function faultOf({ value, token, depth }: JsonStep): string | undefined {
  if (typeof token === "string" && LONE_SURROGATE.test(token)) return "The name of the member has a lone surrogate";
  if (typeof value === "string" && LONE_SURROGATE.test(value)) return "The string has a lone surrogate";
  if (typeof value === "number" && !Number.isFinite(value)) return "The number is larger than a double can be";
  if (typeof value === "object" && value !== null && depth >= MAX_DEPTH) {
    return `More than ${MAX_DEPTH} arrays and objects stand inside each other`;
  }
  return undefined;
}
