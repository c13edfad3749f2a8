/**
 * What the bytes of a body say: as text, and as JSON that can be kept as it is.
 *
 * @example
 * ```ts
 * const value = parseJson(bytes, { limitValues: 250_000 });
 * ```
 */
import { MillraceError } from "../../lib/errors.ts";
import type { JsonValue } from "../../lib/json.ts";
import { formatPointer } from "../../lib/json_pointer.ts";
import { scanJson } from "../../lib/json_scan.ts";
import { tokensOf, walkJson } from "../../lib/json_walk.ts";

/** How deep JSON may nest. */
const MAX_JSON_DEPTH = 200;

/** `fatal`: bytes that are not UTF-8 are refused, never replaced. A byte order mark is dropped. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a JSON body may have. */
export interface JsonLimits {
  /** The most JSON values of one body. */
  readonly limitValues: number;
  /** Leaves numbers that no double can be as `Infinity`, for a caller who refuses them in its own words; default false. */
  readonly infinite?: boolean;
}

/**
 * Parses JSON text in UTF-8. `__proto__` becomes an own key like any other.
 *
 * @throws {MillraceError} `malformed_body`, `malformed_json`, `json_too_deep`, `json_too_many_values`,
 * `json_number_too_large`
 */
export function parseJson(bytes: Uint8Array, options: JsonLimits): JsonValue {
  const { limitValues, infinite = false } = options;
  const { depth, values, mayOverflow } = scanJson(bytes);
  if (depth > MAX_JSON_DEPTH) {
    throw new MillraceError("json_too_deep", `The JSON nests deeper than ${MAX_JSON_DEPTH} levels`);
  }
  if (values > limitValues) {
    throw new MillraceError("json_too_many_values", `The JSON has more than ${limitValues} values`, {
      extensions: { limitValues },
    });
  }
  const text = decodeText(bytes);
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MillraceError("malformed_json", `Cannot parse the body as JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (mayOverflow && !infinite) checkNumbers(value);
  return value;
}

/** Refuses what JSON has no text for: it would be null for whoever reads it in the log. */
function checkNumbers(root: JsonValue): void {
  walkJson(root, (step) => {
    if (typeof step.value !== "number" || Number.isFinite(step.value)) return;
    const pointer = formatPointer(tokensOf(step));
    const detail = "The number is larger than a double can be";
    throw new MillraceError("json_number_too_large", "The JSON has a number that is larger than a double can be", {
      extensions: { errors: [{ pointer, detail }] },
    });
  });
}

/**
 * Decodes text, strictly.
 *
 * @param charset a label of the Encoding Standard, UTF-8 by default
 * @throws {MillraceError} `malformed_body`, or `unsupported_media_type` for an unknown charset
 */
export function decodeText(bytes: Uint8Array, charset: string = "utf-8"): string {
  let decoder = utf8;
  if (charset.toLowerCase() !== "utf-8") {
    try {
      decoder = new TextDecoder(charset, { fatal: true });
    } catch (error) {
      throw new MillraceError("unsupported_media_type", `Cannot read the charset "${charset}"`, { cause: error });
    }
  }
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw new MillraceError("malformed_body", `The body is not valid ${charset}`, { cause: error });
  }
}
