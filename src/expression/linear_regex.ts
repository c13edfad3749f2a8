/**
 * A replacement of `RegExp` that matches in time linear in the text, for JSONata's option `RegexEngine`: a pattern such
 * as `(a+)+$` cannot block the process, whatever text a webhook's caller sends.
 *
 * Look-around and back-references have no linear algorithm (RE2, https://swtch.com/~rsc/regexp/regexp1.html) and are
 * refused when the expression is parsed.
 */
import { RE2JS } from "re2js";
import type { Meter } from "./expression_meter.ts";

/** Each literal is compiled once. */
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

/** Characters that a regex of few instructions reads for a unit of work. */
const READS_A_UNIT = 8;

/**
 * A text whose every read counts as work: one match is linear in the text but may take seconds, and many matches need
 * not be linear. Has the methods of a string that RE2JS uses.
 */
class MeteredText {
  /** RE2JS accepts objects with this tag as strings. */
  readonly [Symbol.toStringTag] = "String";
  readonly length: number;
  readonly #text: string;
  readonly #meter: Meter;
  /** Cost of a read, in units. */
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
    // A native search is a thousand times faster than reads.
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

/**
 * The part of `RegExp` that JSONata uses: `exec` from `lastIndex` on. Made each time that an expression reaches a
 * literal.
 */
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

  /** As `RegExp.prototype.exec` with the flag `g`, with the parts of its result that JSONata reads. */
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
