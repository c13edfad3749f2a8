/** Parameters that may hold `{{ expressions }}`: their schemas, and what is made of their values. */
import { z } from "zod";
import { TerminalError } from "../lib/errors.ts";
import { headerValues } from "../lib/header.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { isJsonObject } from "../lib/json.ts";
import { hasExpression } from "../expression/template.ts";

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

/** A header's values as strings. Throws a `TerminalError` `invalid_header` where one of them cannot be sent. */
export function sendableValues(name: string, value: JsonValue): string[] {
  const values = headerValues(value);
  if (values !== undefined) return values;
  throw new TerminalError("invalid_header", "Cannot send a header: its value has characters that HTTP has not", {
    detail: `Cannot send the header "${name}"`,
  });
}
