/**
 * A stand-in for `RegExp` that matches in time linear in the text, for JSONata's `RegexEngine` option: a pattern such
 * as `(a+)+$` cannot hold up the process, whatever text a webhook's caller sends.
 *
 * Look-around and back-references have no linear algorithm (RE2, https://swtch.com/~rsc/regexp/regexp1.html) and are
 * refused when the expression is parsed.
 */
import { RE2JS } from "re2js";

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

/** What JSONata uses of a `RegExp`: `exec` from `lastIndex` on. One is made each time an expression reaches a literal. */
export class LinearRegex {
  lastIndex = 0;
  readonly #re: RE2JS;
  #matcher: ReturnType<RE2JS["matcher"]> | undefined;
  #text: string | undefined;
  /** JSONata looks for further matches without a step of its own, so the time limit has to be kept here as well. */
  readonly #deadline: number;

  constructor(literal: RegExp, options: { timeoutMs: number }) {
    this.#re = compileRegex(literal);
    this.#deadline = Date.now() + options.timeoutMs;
  }

  /** As `RegExp.prototype.exec` of a global expression, for what JSONata reads of its result. */
  exec(text: string): ({ index: number } & (string | undefined)[]) | null {
    if (Date.now() > this.#deadline) throw { code: "D1012", stack: new Error().stack };
    if (this.#matcher === undefined || this.#text !== text) {
      this.#matcher = this.#re.matcher(text);
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
