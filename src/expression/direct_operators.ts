/**
 * Operators of direct expressions. Each checks its operands as JSONata does, and gives up where that would fail.
 */
import { type Direct, type DirectCompiler, finite, giveUp, scalar, truth } from "./direct_run.ts";
import { isLiteral } from "./expression_rewrite.ts";
import type { AstNode } from "./jsonata_internals.ts";

const ARITHMETIC: ReadonlyMap<string, (a: number, b: number) => number> = new Map([
  ["+", (a, b) => a + b],
  ["-", (a, b) => a - b],
  ["*", (a, b) => a * b],
  ["/", (a, b) => a / b],
  ["%", (a, b) => a % b],
]);

const ORDER: ReadonlyMap<string, (a: number | string, b: number | string) => boolean> = new Map([
  ["<", (a, b) => a < b],
  ["<=", (a, b) => a <= b],
  [">", (a, b) => a > b],
  [">=", (a, b) => a >= b],
]);

/** Compiles a node of type `binary`. */
export function compileBinary({ value, lhs, rhs }: AstNode, compiler: DirectCompiler): Direct {
  const operator = value as string;
  const operands = [lhs, rhs] as [AstNode, AstNode];
  const [left, right] = operands.map((operand) => compiler.compile(operand)) as [Direct, Direct];
  const calculate = ARITHMETIC.get(operator);
  if (calculate !== undefined) return arithmetic(left, right, calculate);
  const compare = ORDER.get(operator);
  if (compare !== undefined) return ordered(left, right, compare);
  switch (operator) {
    case "and":
      return (context, run) => truth(left(context, run)) && truth(right(context, run));
    case "or":
      return (context, run) => truth(left(context, run)) || truth(right(context, run));
    case "=":
    case "!=":
      if (!operands.some(isLiteral)) compiler.grows = true;
      return equality(left, right, operator === "=");
    case "&":
      if (!operands.every(isLiteral)) compiler.grows = true;
      return concatenation(left, right);
  }
  return giveUp();
}

function arithmetic(left: Direct, right: Direct, calculate: (a: number, b: number) => number): Direct {
  return (context, run) => {
    run.work(1);
    const a = numberOrNone(left(context, run));
    const b = numberOrNone(right(context, run));
    return a === undefined || b === undefined ? undefined : finite(calculate(a, b));
  };
}

function numberOrNone(value: unknown): number | undefined {
  return value === undefined ? undefined : finite(value);
}

function ordered(left: Direct, right: Direct, compare: (a: number | string, b: number | string) => boolean): Direct {
  return (context, run) => {
    run.work(1);
    const a = comparable(left(context, run));
    const b = comparable(right(context, run));
    if (a === undefined || b === undefined) return undefined;
    return typeof a === typeof b ? compare(a, b) : giveUp();
  };
}

function comparable(value: unknown): number | string | undefined {
  const known = scalar(value);
  return typeof known === "boolean" || known === null ? giveUp() : known;
}

function equality(left: Direct, right: Direct, equal: boolean): Direct {
  return (context, run) => {
    run.work(1);
    const a = scalar(left(context, run));
    const b = scalar(right(context, run));
    // Nothing is neither equal nor unequal to anything.
    return a !== undefined && b !== undefined && (a === b) === equal;
  };
}

function concatenation(left: Direct, right: Direct): Direct {
  return (context, run) => {
    run.work(1);
    return scalar(textOf(left(context, run)) + textOf(right(context, run)));
  };
}

function textOf(value: unknown): string {
  const known = scalar(value);
  return known === undefined ? "" : stringOf(known);
}

/** JSONata's `$string` of what is no list and no object: numbers have at most 15 digits, unless they are whole. */
export function stringOf(value: null | boolean | number | string): string {
  if (typeof value !== "number") return String(value);
  return String(Number.isInteger(value) ? value : Number(finite(value).toPrecision(15)));
}

/** Compiles a node of type `unary` whose operator is `-`. */
export function compileNegation(node: AstNode, compiler: DirectCompiler): Direct {
  const operand = compiler.compile(node.expression as AstNode);
  return (context, run) => {
    run.work(1);
    const value = operand(context, run);
    return value === undefined ? undefined : -finite(value);
  };
}
