/**
 * Expressions: JSONata, parsed once a version and evaluated any number of times, concurrently too, within limits of
 * work, depth and size. Bare names read the input; `$trigger`, `$nodes` and `$execution` are bound. An expression
 * sees nothing else: not the host, not the environment, not a prototype.
 *
 * Plain paths and direct expressions (`direct.ts`) give their value at once, without JSONata. Any other evaluation begins
 * on the main thread, with a budget of steps that takes a few milliseconds. One that exceeds it is evaluated again from
 * its beginning by a runner in another thread. Expressions have no side effects, so this cannot be noticed.
 *
 * @example
 * ```ts
 * const total = compileExpression("$sum(items.(price * quantity))");
 * await total.evaluate({ input: { items: [] }, trigger: null, nodes: {}, execution });
 * ```
 */
import jsonata from "jsonata";
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "./scope.ts";
import { compileDirect } from "./direct.ts";
import { MAX_SEQUENCE, MAX_WEIGHT } from "./expression_limits.ts";
import { ESCALATE, InlineLimits, inlineToTheEnd, Meter, type WorkLimit } from "./expression_meter.ts";
import { plainPath, readPath } from "./expression_path.ts";
import { cleanResult, shorten, toTerminalError } from "./expression_result.ts";
import { ExpressionRefused, rewriteExpression } from "./expression_rewrite.ts";
import type { ExpressionRunner } from "./expression_runner.ts";
import { scopeUse, usedNodes, usedScope } from "./expression_use.ts";
import { type AstNode, ENTRY_HOOK, type EntryHook, EXIT_HOOK, type JsonataFailure } from "./jsonata_internals.ts";
import { LinearRegex } from "./linear_regex.ts";

/** Limits of an evaluation. */
export interface ExpressionLimits {
  /**
   * Processor time of one evaluation, in milliseconds. Default 1000. Without a runner and a `workLimit`, it is a number
   * of steps that takes about as long.
   */
  readonly timeoutMs?: number;
  /** Number of nested steps that are under way, concurrent ones of lists included. Default 20,000. */
  readonly maxDepth?: number;
  /** Size of the result, in about the characters of its JSON. Default 16 Mi. */
  readonly maxSize?: number;
  /** Evaluates what is too much for the main thread. Default none: everything is evaluated there. */
  readonly runner?: ExpressionRunner | undefined;
  /** Makes the limit of an evaluation's work, in a thread of its own. Default by `timeoutMs`. */
  readonly workLimit?: () => WorkLimit;
}

/** A parsed expression. */
export interface Expression {
  readonly source: string;
  /**
   * Returns a clean JSON value, `null` where there is none: at once for a plain path or a direct expression, else by a
   * promise.
   *
   * Throws or rejects with a `TerminalError` whose code is `expression_error`, `expression_timeout` or
   * `expression_limit`, or as its runner does.
   */
  evaluate(scope: Scope): JsonValue | Promise<JsonValue>;
}

/** An expression cannot be parsed; the message says why and where. */
export class ExpressionSyntaxError extends Error {
  override readonly name = "ExpressionSyntaxError";
}

/** The longest expression, in characters. */
const MAX_SOURCE = 16_384;

/** The smallest limit of depth within which every direct expression stays. */
const DIRECT_DEPTH = 1000;

/** Parses an expression. Throws {@linkcode ExpressionSyntaxError}. */
export function compileExpression(source: string, limits: ExpressionLimits = {}): Expression {
  const { timeoutMs = 1000, maxDepth = 20_000, maxSize = MAX_WEIGHT, runner, workLimit } = limits;
  const { path, direct, use, start } = parse(source, maxDepth);
  const inline = new InlineLimits();
  const transforms = source.includes("|");
  const limitOf = workLimit ?? (() => runner === undefined ? inlineToTheEnd(timeoutMs) : inline.next());

  async function evaluateSlowly(scope: Scope): Promise<JsonValue> {
    const now = scope.now === undefined ? new Date() : new Date(scope.now);
    const { execution } = scope;
    const [input, trigger] = [ownIfEmpty(scope.input), ownIfEmpty(scope.trigger)];
    // A copy: an output that refers to the outputs would otherwise contain itself.
    const nodes = usedNodes(scope, use);
    const meter = new Meter(limitOf(), now);
    try {
      return cleanResult(await start(input, { trigger, nodes, execution }, meter), { maxSize, meter, transforms });
    } catch (failure) {
      if (runner === undefined || (failure as JsonataFailure).code !== ESCALATE) {
        throw toTerminalError(failure, { source, timeoutMs });
      }
    } finally {
      meter.close();
    }
    const job = {
      source,
      limits: { timeoutMs, maxDepth, maxSize },
      scope: { ...usedScope(scope, { use, nodes }), now: now.getTime() },
    };
    return await runner.run(job, { owner: execution.workflowId, signal: scope.signal });
  }

  return {
    source,
    evaluate(scope) {
      let value = path && readPath(path, scope);
      if (value === undefined) value = direct?.(scope, { maxSize });
      return value === undefined ? evaluateSlowly(scope) : value;
    },
  };
}

/** Copies an empty list: JSONata adds an item to one that it groups. */
function ownIfEmpty(value: JsonValue): JsonValue {
  return Array.isArray(value) && value.length === 0 ? [] : value;
}

function parse(source: string, maxDepth: number) {
  if (source.length > MAX_SOURCE) {
    throw new ExpressionSyntaxError(`Cannot parse an expression of ${source.length} characters: at most ${MAX_SOURCE}`);
  }
  try {
    const compiled = jsonata(source, { sequence: MAX_SEQUENCE });
    const ast = compiled.ast() as AstNode;
    // Before the tree is changed.
    const { path, use } = { path: plainPath(ast), use: scopeUse(ast) };
    const direct = maxDepth < DIRECT_DEPTH ? undefined : compileDirect(ast);
    // The environment takes symbols too, though its type does not say so.
    const bind = compiled.assign as (name: string | symbol, value: unknown) => void;
    const { exitHook } = rewriteExpression(ast, bind);
    let starting: Meter | undefined;
    bind(
      ENTRY_HOOK,
      ((_expression, _input, { base }) => {
        const meter = starting!;
        base.meter = meter;
        base.timestamp = meter.now;
        base.guardrails = () => {
          if (base.depth > maxDepth) throw { code: "D1011", value: maxDepth };
          meter.work(1);
        };
        base.RegexEngine = function (literal: RegExp) {
          return new LinearRegex(literal, meter);
        };
        // The hook is needed at the first step only. Bound to `undefined` it is found fastest at all others.
        base.bind(ENTRY_HOOK, undefined);
        base.bind(EXIT_HOOK, exitHook);
      }) satisfies EntryHook,
    );
    const start = (input: unknown, bindings: Record<string, unknown>, meter: Meter): Promise<unknown> => {
      // Its first step, and so the hook, runs before it returns.
      starting = meter;
      return compiled.evaluate(input, bindings);
    };
    return { path, direct, use, start };
  } catch (error) {
    if (error instanceof ExpressionRefused) {
      throw new ExpressionSyntaxError(`Cannot use "${shorten(source)}": ${error.message}`);
    }
    const { message, position } = error as JsonataFailure;
    const place = position === undefined ? "" : ` at position ${position}`;
    throw new ExpressionSyntaxError(`Cannot parse "${shorten(source)}"${place}: ${message ?? "syntax error"}`);
  }
}
