/**
 * What a document may hold: I-JSON (RFC 7493) of bounded depth, the same for every driver. What one driver would refuse
 * or alter is refused by all.
 */
import type { Fault } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import { formatPointer } from "../lib/json_pointer.ts";
import { type JsonStep, tokensOf, walkJson } from "../lib/json_walk.ts";
import { surrogateFault } from "../lib/lone_surrogates.ts";

/** How many arrays and objects may stand inside each other; RedisJSON parses 127 levels. */
export const MAX_DEPTH = 100;

/**
 * Checks a value. Faults are nesting past {@linkcode MAX_DEPTH}, a number larger than a double (`1e400` would come
 * back as null), and a lone surrogate, which is not valid Unicode (RFC 7493, section 2.1).
 *
 * @param root path of the value in the document that was sent
 * @returns the first fault; `undefined` for a valid value
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

function faultOf(step: JsonStep): string | undefined {
  const { value, depth } = step;
  if (typeof value === "number" && !Number.isFinite(value)) return "The number is larger than a double can be";
  if (typeof value === "object" && value !== null && depth >= MAX_DEPTH) {
    return `More than ${MAX_DEPTH} arrays and objects stand inside each other`;
  }
  return surrogateFault(step);
}
