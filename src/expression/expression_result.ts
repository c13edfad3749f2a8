/**
 * The result of an evaluation: clean JSON, or an error with a code.
 */
import { TerminalError } from "../lib/errors.ts";
import type { JsonValue } from "../lib/json.ts";
import type { Meter } from "./expression_meter.ts";
import { isFunctionValue, type JsonataFailure } from "./jsonata_internals.ts";

/** Deepest nesting of a result. */
const MAX_RESULT_DEPTH = 200;

/** Options of {@linkcode cleanResult}. */
export interface CleanOptions {
  /** The largest result, in characters and 4 for each value. */
  readonly maxSize: number;
  /** What the work is charged to. */
  readonly meter: Pick<Meter, "work">;
  /** The expression has a transform (`|…|…|`), which sets members on lists too; default false. */
  readonly transforms?: boolean;
}

/**
 * Makes a result plain JSON, in place: sequences become plain arrays, numbers that are not finite `null`. Parts of the
 * input are left unchanged: only values that the evaluation made need it.
 */
export function cleanResult(result: unknown, options: CleanOptions): JsonValue {
  const { maxSize, meter, transforms = false } = options;
  let size = 0;
  let visits = 0;
  function clean(value: unknown, depth: number): JsonValue | undefined {
    // Cheap: in another thread the whole result would have to be copied.
    if ((++visits & 255) === 0) meter.work(1);
    size += 4;
    if (typeof value === "string") size += value.length;
    if (size > maxSize) throw { code: "limit", message: "its result is too large" };
    if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    if (value === undefined) return undefined;
    if (typeof value !== "object" || isFunctionValue(value)) {
      throw { code: "function", message: "it gives a function, which is no JSON value" };
    }
    if (depth > MAX_RESULT_DEPTH) throw { code: "limit", message: "its result is nested too deeply" };
    if (Array.isArray(value)) {
      const isPlain = !isMarked(value) && !(transforms && Object.keys(value).length > value.length);
      const list: unknown[] = isPlain ? value : value.slice();
      for (let index = 0; index < list.length; index++) {
        const item = clean(list[index], depth + 1) ?? null;
        if (item !== list[index]) list[index] = item;
      }
      return list as JsonValue[];
    }
    const object = value as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      size += key.length;
      const item = clean(object[key], depth + 1) ?? null;
      if (item !== object[key]) object[key] = item;
    }
    return object as JsonValue;
  }
  return clean(result, 0) ?? null;
}

/** True for an array with the marks that JSONata sets on its own arrays. */
function isMarked(array: unknown[] & { sequence?: unknown; cons?: unknown }): boolean {
  return array.sequence === true || array.cons === true || Object.hasOwn(array, "push");
}

/** Messages for callers, by code. */
export const EXPRESSION_MESSAGES = {
  expression_timeout: "An expression took too long",
  expression_limit: "An expression was stopped at a limit",
  expression_error: "An expression failed",
} as const;

/** Converts a failure to an error with texts for callers and operators. */
export function toTerminalError(failure: unknown, options: { source: string; timeoutMs: number }): TerminalError {
  const { code, message } = failure as JsonataFailure;
  function error(code: keyof typeof EXPRESSION_MESSAGES, what: string): TerminalError {
    return new TerminalError(code, EXPRESSION_MESSAGES[code], { detail: `"${shorten(options.source)}" ${what}` });
  }
  switch (code) {
    case "D1012":
      return error("expression_timeout", `took longer than ${options.timeoutMs} ms`);
    case "limit":
    case "D1011":
    case "D2014":
    case "D2015":
      return error("expression_limit", `was stopped: ${shorten(message ?? "", 300)}`);
  }
  // Refused by the runtime itself, such as a string of a gigabyte.
  const isLimit = failure instanceof RangeError;
  return error(
    isLimit ? "expression_limit" : "expression_error",
    `failed: ${shorten(message ?? String(failure), 300)}`,
  );
}

/** Cuts a text to at most `length` characters, to quote it. */
export function shorten(text: string, length = 80): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
