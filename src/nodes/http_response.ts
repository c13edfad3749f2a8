/** The node type `httpResponse`: makes the response for the execution's caller. */
import { z } from "zod";
import { TerminalError } from "../lib/errors.ts";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { hasExpression } from "../expression/template.ts";
import { whenReady } from "../lib/when_ready.ts";
import type { NodeType } from "../workflow/node_type.ts";
import {
  checkHeaders,
  checkHeaderValue,
  integerOrExpression,
  jsonSchema,
  objectSchema,
  sendableValues,
} from "./parameter.ts";

const parameters = z.strictObject({
  status: integerOrExpression(200, 599).default(200),
  headers: objectSchema.default(() => ({})),
  body: jsonSchema.optional(),
  contentType: z.string().min(1).max(1000).optional(),
  bodyBase64: z.string().optional(),
}).refine(({ body, bodyBase64 }) => body === undefined || bodyBase64 === undefined, {
  path: ["bodyBase64"],
  message: "must not be given together with body",
});

/**
 * The node type `httpResponse`. Its output is a `ResponseData` (see `execution/result.ts`). Fails with `invalid_status`,
 * `invalid_header` or `invalid_body` when an expression gives what cannot be sent.
 */
export const httpResponse: NodeType<z.infer<typeof parameters>> = {
  type: "httpResponse",
  responds: true,
  hasSideEffects: false,
  parameters,
  compile({ status, headers, body, contentType, bodyBase64 }, tools) {
    checkHeaders(headers, tools);
    if (contentType !== undefined) checkHeaderValue(contentType, "/contentType", tools);
    if (bodyBase64 !== undefined && !hasExpression(bodyBase64) && !isBase64(bodyBase64)) {
      tools.fault("/bodyBase64", "must be base64");
    }
    const template = tools.template({
      status,
      headers,
      contentType: contentType ?? null,
      ...(body !== undefined && { body }),
      ...(bodyBase64 !== undefined && { bodyBase64 }),
    }, "");
    return ({ scope }) => whenReady(template(scope), (made) => ({ output: toOutput(made as Made) }));
  },
};

/** What the templates of the parameters give. */
interface Made extends JsonObject {
  status: JsonValue;
  headers: JsonObject;
  contentType: JsonValue;
}

function toOutput({ status, headers, contentType, body, bodyBase64 }: Made): JsonObject {
  const output: JsonObject = { status: toStatus(status), headers: toHeaders(headers, contentType) };
  if (body !== undefined) output.body = body;
  if (bodyBase64 !== undefined) output.bodyBase64 = toBase64(bodyBase64);
  return output;
}

function toStatus(value: JsonValue): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 200 && value <= 599) return value;
  const text = JSON.stringify(value).slice(0, 80);
  throw new TerminalError("invalid_status", "Cannot answer with the status that was made: it must be 200 to 599", {
    detail: `Cannot answer with the status ${text}`,
  });
}

function toHeaders(headers: JsonObject, contentType: JsonValue): JsonObject {
  const result: JsonObject = {};
  const entries = Object.entries(headers);
  if (contentType !== null) entries.push(["content-type", contentType]);
  for (const [name, value] of entries) {
    const values = sendableValues(name, value);
    const [first] = values;
    if (first !== undefined) result[name.toLowerCase()] = values.length === 1 ? first : values;
  }
  return result;
}

function toBase64(value: JsonValue): string {
  if (typeof value === "string" && isBase64(value)) return value;
  throw new TerminalError("invalid_body", "Cannot answer with bodyBase64: its value is not base64");
}

/** RFC 4648, section 4, padded. */
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
