/**
 * The stored form of values: JSON in which three kinds of value are replaced by strings that begin with a mark, U+0000
 * and a letter:
 *
 * - `n`: a number that not every parser reads to the last bit (RedisJSON's reads `8.21889192590653e-262` as the double
 *   before it). Numbers of up to 15 digits without exponent, and safe integers, are exact everywhere and need no mark.
 * - `e`: a sealed part, see {@linkcode SealedParts}.
 * - `s`: a string that begins with U+0000 itself.
 */
import { type JsonObject, type JsonValue, setMember } from "../lib/json.ts";
import { type JsonStep, tokensOf, walkJson } from "../lib/json_walk.ts";

const MARK = "\u0000";
/** Finds everything in JSON text that may need a mark, and some that does not. */
const SUSPECT = /"\\u0000|\d[\d.]{15}|\d[eE]/;

/** True when JSON text may hold a value that needs a mark; sometimes true without one. */
export function mayNeedMarks(json: string): boolean {
  return SUSPECT.test(json);
}

/** True when stored JSON text may hold marks. */
export function mayHaveMarks(json: string): boolean {
  return json.includes("\\u0000");
}

/** Replaces values that need a mark, in place; returns the value. */
export function putMarks(value: JsonValue): JsonValue {
  return replaceLeaves(value, ({ value }) => {
    if (typeof value === "string" && value.startsWith(MARK)) return `${MARK}s${value}`;
    return typeof value === "number" && !isExact(value) ? `${MARK}n${value}` : value;
  });
}

/** A sealed part that was found in stored data. */
export interface FoundPart {
  readonly place: readonly string[];
  readonly sealed: string;
  /** Replaces the part with its decrypted value. */
  set(value: JsonValue): void;
}

/** Removes the marks, in place, and returns the sealed parts, whose values the caller must set. */
export function takeMarks(stored: JsonValue): { holder: [JsonValue]; parts: FoundPart[] } {
  const parts: FoundPart[] = [];
  const holder: [JsonValue] = [stored];
  replaceLeaves(holder, (step) => {
    const { value } = step;
    if (typeof value !== "string" || !value.startsWith(MARK)) return value;
    const rest = value.slice(2);
    if (value[1] === "n") return Number(rest);
    if (value[1] === "e") {
      parts.push({ place: tokensOf(step).slice(1), sealed: rest, set: (value) => setStep(step, value) });
    }
    return rest;
  });
  return { holder, parts };
}

/** The stored form of a sealed part. */
export function sealedMark(sealed: string): string {
  return `${MARK}e${sealed}`;
}

/** True for a number that every parser reads as the same double: up to 15 digits and no exponent, or a safe integer. */
function isExact(number: number): boolean {
  if (Number.isSafeInteger(number)) return true;
  const text = String(number);
  return !text.includes("e") && text.replace(/^-?0?\.?0*|\./g, "").length <= 15;
}

function replaceLeaves(root: JsonValue, replace: (step: JsonStep) => JsonValue): JsonValue {
  let result = root;
  walkJson(root, (step) => {
    if (typeof step.value === "object" && step.value !== null) return;
    const made = replace(step);
    if (made === step.value) return;
    if (step.parent === undefined) result = made;
    else setStep(step, made);
  });
  return result;
}

function setStep({ parent, token }: JsonStep, value: JsonValue): void {
  const container = parent!.value;
  if (Array.isArray(container)) container[token as number] = value;
  else setMember(container as JsonObject, token as string, value);
}
