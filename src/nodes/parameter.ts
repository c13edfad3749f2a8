/** Parameters that may hold `{{ expressions }}`: their schemas, and what is made of their values. */
import { z } from "zod";
import { TerminalError } from "../lib/errors.ts";
import { checkHeaderName, headerValues } from "../lib/header.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { isJsonObject } from "../lib/json.ts";
import { hasExpression, pointerSegment } from "../expression/template.ts";
import type { CompileTools } from "../workflow/node_type.ts";

/** Any JSON, unchanged: a member called `__proto__` is kept. */
export const jsonSchema = z.custom<JsonValue>((value) => value !== undefined, "is required");

/** A JSON object, unchanged. */
export const objectSchema = z.custom<JsonObject>(isJsonObject, "must be an object");

/** A string with an expression in it. */
const expressionSchema = z.custom<string>(hasExpression, "must hold an {{ expression }}");

/** A whole number, or a string whose expression gives one when the node runs. */
export function integerOrExpression(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}, or an {{ expression }}`;
  return z.union([z.number().int().min(min).max(max), expressionSchema], { error: message });
}

/** A number, or a string whose expression gives one when the node runs. */
export function numberOrExpression(min: number, max: number) {
  const message = `must be a number from ${min} to ${max}, or an {{ expression }}`;
  return z.union([z.number().min(min).max(max), expressionSchema], { error: message });
}

/** Checks the parameter `headers`: names, which are literal, and each value that has no expression. */
export function checkHeaders(headers: JsonObject, tools: Pick<CompileTools, "fault">): void {
  const seen = new Set<string>();
  for (const name of Object.keys(headers)) {
    const pointer = `/headers${pointerSegment(name)}`;
    const problem = checkHeaderName(name);
    if (problem !== undefined) tools.fault(pointer, problem);
    if (seen.has(name.toLowerCase())) tools.fault(pointer, "is given twice: header names ignore case");
    seen.add(name.toLowerCase());
    const value = headers[name] as JsonValue;
    const values = Array.isArray(value) ? value : [value];
    values.forEach((item, index) =>
      checkHeaderValue(item, Array.isArray(value) ? `${pointer}/${index}` : pointer, tools)
    );
  }
}

/** Checks a header's value, unless it has an expression. */
export function checkHeaderValue(value: JsonValue, pointer: string, tools: Pick<CompileTools, "fault">): void {
  if (hasExpression(value) || (!Array.isArray(value) && headerValues(value) !== undefined)) return;
  tools.fault(pointer, "must be a string without line breaks or other control characters");
}

/** A header's values as strings. Throws a `TerminalError` `invalid_header` where one of them cannot be sent. */
export function sendableValues(name: string, value: JsonValue): string[] {
  const values = headerValues(value);
  if (values !== undefined) return values;
  throw new TerminalError("invalid_header", "Cannot send a header: its value has characters that HTTP has not", {
    detail: `Cannot send the header "${name}"`,
  });
}
