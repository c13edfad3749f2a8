/** Checks of HTTP header fields (RFC 9110, section 5), for what goes out as a response and as a request. */
import type { JsonValue } from "./json.ts";

/** Fields that belong to a connection or frame a message: they are the server's and the client's own. */
const RESERVED = new Set([
  ..."connection transfer-encoding content-length keep-alive upgrade te trailer proxy-connection".split(" "),
]);

/** How many webhooks stand inside each other: see `http/depth.ts`. */
export const DEPTH_HEADER = "millrace-depth";

/** Says what is wrong with a field's name, or nothing. */
export function checkHeaderName(name: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name)) return `"${name.slice(0, 80)}" is no header name`;
  if (RESERVED.has(name.toLowerCase())) return `the header "${name}" is set by the server alone`;
  return undefined;
}

/** True for a field's value that goes over the wire as it is: no line breaks, no controls, Latin-1 only. */
export function isHeaderValue(value: string): boolean {
  return value.length <= 65_536 && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
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
