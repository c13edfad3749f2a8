/**
 * The form in which values are stored. It is JSON, but for three kinds of value that stand in it as strings with a mark,
 * U+0000 and a letter, in front:
 *
 * - `n`: a number that not every parser reads to the last bit (RedisJSON's takes `8.21889192590653e-262` for the double
 *   before it). Up to 15 digits without exponent, and safe integers, are exact everywhere and stand as they are.
 * - `e`: a sealed part, see {@linkcode SealedParts}.
 * - `s`: a string that begins with U+0000 itself.
 */
import { type JsonObject, type JsonValue, setMember } from "../lib/json.ts";
import { type JsonStep, tokensOf, walkJson } from "../lib/json_walk.ts";

const MARK = "\u0000";
/** What may need a mark, in JSON text; it may find more, never less. */
const SUSPECT = /"\\u0000|\d[\d.]{15}|\d[eE]/;

/** True when JSON text may hold something that is stored with a mark. */
export function mayNeedMarks(json: string): boolean {
  return SUSPECT.test(json);
}

/** True when stored JSON text may hold marks. */
export function mayHaveMarks(json: string): boolean {
  return json.includes("\\u0000");
}

/** Puts marks where they are needed; changes the value in place and returns it. */
export function putMarks(value: JsonValue): JsonValue {
  return replaceLeaves(value, ({ value }) => {
    if (typeof value === "string" && value.startsWith(MARK)) return `${MARK}s${value}`;
    return typeof value === "number" && !isExact(value) ? `${MARK}n${value}` : value;
  });
}

/** A part that was found sealed. */
export interface FoundPart {
  readonly place: readonly string[];
  readonly sealed: string;
  /** Puts the opened value in its place. */
  set(value: JsonValue): void;
}

/** Takes the marks out again, in place, and says which parts are sealed: their values are still to be set. */
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

/** A sealed part as it is stored. */
export function sealedMark(sealed: string): string {
  return `${MARK}e${sealed}`;
}

/** Fewer than 16 digits and no exponent, or a safe integer: then every parser gives the same double. */
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
