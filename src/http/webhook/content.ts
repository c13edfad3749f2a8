/**
 * A webhook's body as a JSON value, by its content type: JSON as itself, forms as objects, text as a string, nothing
 * as `null`, and anything else as `{base64}`.
 */
import { MillraceError } from "../../lib/errors.ts";
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import { encodeBase64 } from "../../lib/base64.ts";
import { charsetOf, isJsonType, isTextType, mediaType } from "../../lib/content_type.ts";
import { decodeText, type JsonLimits, parseJson } from "../protocol/json_body.ts";

/** The most fields of a form: parsing a body of separators alone would otherwise cost far more than its size. */
const MAX_FIELDS = 10_000;

/**
 * Makes a JSON value of a body.
 *
 * @throws {MillraceError} `malformed_json`, `json_too_deep`, `json_too_many_values`, `json_number_too_large`,
 * `malformed_body`, `unsupported_media_type`
 */
export function parseContent(
  bytes: Uint8Array,
  contentType: string | null,
  options: JsonLimits,
): JsonValue | Promise<JsonValue> {
  if (bytes.length === 0) return null;
  const type = mediaType(contentType);
  if (isJsonType(type)) return parseJson(bytes, options);
  if (type === "application/x-www-form-urlencoded") return parseForm(decodeText(bytes));
  if (type === "multipart/form-data") return parseMultipart(bytes, contentType!);
  if (isTextType(type)) return decodeText(bytes, charsetOf(contentType!));
  return { base64: encodeBase64(bytes) };
}

/**
 * Parses `application/x-www-form-urlencoded` text, a query string too: a name that comes once has a string, one that
 * comes again an array.
 */
export function parseForm(text: string): JsonObject {
  if (text === "") return {};
  if (text.split("&", MAX_FIELDS + 1).length > MAX_FIELDS) throw tooManyFields();
  // One leading "?" is dropped (WHATWG URL, section 6.2): it must not be the text's own.
  return collect(new URLSearchParams(`?${text}`));
}

async function parseMultipart(bytes: Uint8Array, contentType: string): Promise<JsonObject> {
  let form: FormData;
  try {
    // Runtimes differ on a truncated body, so the closing delimiter is checked here (RFC 2046, section 5.1.1).
    const boundary = /;\s*boundary\s*=\s*(?:"([^"]+)"|([^\s";]+))/i.exec(contentType);
    const delimiter = `--${boundary?.[1] ?? boundary?.[2]}--`;
    if (!new TextDecoder("latin1").decode(bytes).includes(delimiter)) throw new Error(`No "${delimiter}" in the body`);
    const headers = { "content-type": contentType };
    form = await new Response(bytes as Uint8Array<ArrayBuffer>, { headers }).formData();
  } catch (error) {
    throw new MillraceError("malformed_body", "Cannot parse the body as multipart/form-data: check its boundary", {
      cause: error,
    });
  }
  const fields: [string, JsonValue][] = [];
  for (const [name, value] of form) {
    if (fields.length === MAX_FIELDS) throw tooManyFields();
    fields.push([name, typeof value === "string" ? value : await describeFile(value)]);
  }
  return collect(fields);
}

async function describeFile(file: File): Promise<JsonObject> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return { filename: file.name, type: file.type, size: file.size, base64: encodeBase64(bytes) };
}

/** Uses a `Map` and `Object.fromEntries`, since an assignment would not make an own member of `__proto__`. */
function collect(fields: Iterable<[string, JsonValue]>): JsonObject {
  const values = new Map<string, JsonValue>();
  const repeated = new Set<string>();
  for (const [name, value] of fields) {
    const before = values.get(name);
    if (before === undefined) values.set(name, value);
    else if (repeated.has(name)) (before as JsonValue[]).push(value);
    else {
      values.set(name, [before, value]);
      repeated.add(name);
    }
  }
  return Object.fromEntries(values);
}

function tooManyFields(): MillraceError {
  return new MillraceError("malformed_body", `The form has more than ${MAX_FIELDS} fields`);
}
