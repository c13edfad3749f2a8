/**
 * A stand-in for `RegExp` that matches in time linear in the text, for JSONata's `RegexEngine` option: a pattern such
 * as `(a+)+$` cannot hold up the process, whatever text a webhook's caller sends.
 *
 * Look-around and back-references have no linear algorithm (RE2, https://swtch.com/~rsc/regexp/regexp1.html) and are
 * refused when the expression is parsed.
 */
import { RE2JS } from "re2js";
import type { Meter } from "./expression_meter.ts";

/** A literal is compiled once, however often its expression runs. */
const compiled = new WeakMap<RegExp, RE2JS>();

/** Compiles a regex literal. Throws when it uses what RE2 does not have. */
export function compileRegex(literal: RegExp): RE2JS {
  let re = compiled.get(literal);
  if (re === undefined) {
    let flags = 0;
    if (literal.ignoreCase) flags |= RE2JS.CASE_INSENSITIVE;
    if (literal.multiline) flags |= RE2JS.MULTILINE;
    if (literal.dotAll) flags |= RE2JS.DOTALL;
    re = RE2JS.compile(RE2JS.translateRegExp(literal.source), flags);
    compiled.set(literal, re);
  }
  return re;
}

/** How many characters are read for a unit of work, by a regex of few instructions. */
const READS_A_UNIT = 8;

/**
 * A text of which each look at a character is work: a match is linear in its text, but matches one after another need
 * not be, and one match may take seconds. Has what RE2JS uses of a string.
 */
class MeteredText {
  /** RE2JS takes what says that it is a `String`. */
  readonly [Symbol.toStringTag] = "String";
  readonly length: number;
  readonly #text: string;
  readonly #meter: Meter;
  /** What a read costs, in units. */
  readonly #cost: number;
  #reads = 0;

  constructor(text: string, options: { meter: Meter; instructions: number }) {
    const { meter, instructions } = options;
    this.length = text.length;
    this.#text = text;
    this.#meter = meter;
    this.#cost = Math.max(1, instructions / 64) / READS_A_UNIT;
  }

  charCodeAt(index: number): number {
    if ((++this.#reads & 127) === 0) this.#meter.work(128 * this.#cost);
    return this.#text.charCodeAt(index);
  }

  indexOf(part: string, from: number): number {
    const index = this.#text.indexOf(part, from);
    // A thousand characters of such a search take as long as one read of the others.
    this.#meter.work(((index < 0 ? this.length : index) - from) / (1000 * READS_A_UNIT));
    return index;
  }

  substring(start: number, end: number): string {
    return this.#text.substring(start, end);
  }

  toString(): string {
    return this.#text;
  }
}

/** What JSONata uses of a `RegExp`: `exec` from `lastIndex` on. One is made each time an expression reaches a literal. */
export class LinearRegex {
  lastIndex = 0;
  readonly #re: RE2JS;
  readonly #meter: Meter;
  #matcher: ReturnType<RE2JS["matcher"]> | undefined;
  #text: string | undefined;

  constructor(literal: RegExp, meter: Meter) {
    this.#re = compileRegex(literal);
    this.#meter = meter;
  }

  /** As `RegExp.prototype.exec` of a global expression, for what JSONata reads of its result. */
  exec(value: unknown): ({ index: number } & (string | undefined)[]) | null {
    const text = String(value);
    this.#meter.work(1);
    if (this.#matcher === undefined || this.#text !== text) {
      const metered = new MeteredText(text, { meter: this.#meter, instructions: this.#re.programSize() });
      this.#matcher = this.#re.matcher(metered as unknown as string);
      this.#text = text;
    }
    const matcher = this.#matcher;
    if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
      this.lastIndex = 0;
      return null;
    }
    const groups: (string | undefined)[] = [];
    for (let group = 0; group <= matcher.groupCount(); group++) groups.push(matcher.group(group) ?? undefined);
    this.lastIndex = matcher.end();
    return Object.assign(groups, { index: matcher.start() });
  }
}
