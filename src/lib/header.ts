/** Checks of HTTP header fields (RFC 9110, section 5), for what goes out as a response and as a request. */
import type { JsonValue } from "./json.ts";

/** Fields of the connection, not of the message (RFC 9110, section 7.6.1), and those that frame a message. */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A token (RFC 9110, section 5.6.2). */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
/** No line breaks, no controls, Latin-1 only. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const MAX_VALUE_LENGTH = 65_536;

/** Carries the number of nested webhook calls: see `http/protocol/depth.ts`. */
export const DEPTH_HEADER = "millrace-depth";

/** Says what is wrong with the name of a field that a workflow sets, or nothing. */
export function checkHeaderName(name: string): string | undefined {
  if (!isHeaderName(name)) return `"${name.slice(0, 80)}" is no header name`;
  if (CONNECTION_FIELDS.has(name.toLowerCase())) return `the header "${name}" is set by the server alone`;
  return undefined;
}

/** True for the name of a field, of at most 256 characters. */
export function isHeaderName(name: string): boolean {
  return NAME.test(name);
}

/** True for a field's value that goes over the wire as it is, of at most 65,536 characters. */
export function isHeaderValue(value: string): boolean {
  return value.length <= MAX_VALUE_LENGTH && VALUE.test(value);
}

/** The field's values as strings: none for `null`, several for a list; `undefined` if one of them cannot be sent. */
export function headerValues(value: JsonValue): string[] | undefined {
  const values: string[] = [];
  for (const item of Array.isArray(value) ? value : [value]) {
    if (item === null) continue;
    if (typeof item === "object") return undefined;
    const text = String(item).trim();
    if (!isHeaderValue(text)) return undefined;
    values.push(text);
  }
  return values;
}
