/**
 * Functions that direct expressions call: JSONata's own, for arguments of exactly the types that they are for. For any
 * others JSONata converts, looks at the context, or fails.
 */
import { type Direct, type DirectCompiler, finite, giveUp, scalar, truth } from "./direct_run.ts";
import { stringOf } from "./direct_operators.ts";
import { ORIGINALS } from "./expression_functions.ts";
import { hasOnly } from "./expression_path.ts";
import { type AstNode, looksCallable } from "./jsonata_internals.ts";

/** Returns an argument if its type is right, or makes it so as JSONata's signatures do. */
type Parameter = (value: unknown) => unknown;

const number: Parameter = finite;
const string: Parameter = (value) => typeof value === "string" ? scalar(value) : giveUp();
const convertible: Parameter = (value) => scalar(value) ?? giveUp();
/** A list of numbers; a number is a list of one. */
const numbers: Parameter = (value) => {
  if (!Array.isArray(value)) return [finite(value)];
  for (const item of value) finite(item);
  return value;
};
const strings: Parameter = (value) => {
  if (!Array.isArray(value)) return [string(value)];
  for (const item of value) string(item);
  return value;
};

interface Signature {
  readonly parameters: readonly Parameter[];
  /** How many of them have to be given. Default all. */
  readonly required?: number;
}

const SIGNATURES: ReadonlyMap<string, Signature> = new Map<string, Signature>([
  ...["sum", "max", "min", "average"].map((name): [string, Signature] => [name, { parameters: [numbers] }]),
  ...["abs", "floor", "ceil"].map((name): [string, Signature] => [name, { parameters: [number] }]),
  ...["uppercase", "lowercase", "trim", "length"].map((name): [string, Signature] => [name, { parameters: [string] }]),
  ["round", { parameters: [number, number], required: 1 }],
  ["number", { parameters: [convertible] }],
  ["substring", { parameters: [string, number, number], required: 2 }],
  ["substringBefore", { parameters: [string, string] }],
  ["substringAfter", { parameters: [string, string] }],
  ["join", { parameters: [strings, string], required: 1 }],
]);

/** Functions that take anything, no value included. */
const OF_ANY: ReadonlyMap<string, (value: unknown) => unknown> = new Map<string, (value: unknown) => unknown>([
  ["exists", (value) => value !== undefined],
  ["count", (value) => value === undefined ? 0 : Array.isArray(value) ? value.length : 1],
  ["boolean", (value) => value === undefined ? undefined : truth(value)],
  ["not", (value) => value === undefined ? undefined : !truth(value)],
  ["string", (value) => {
    const known = scalar(value);
    return known === undefined ? undefined : stringOf(known);
  }],
]);

/** Compiles a node of type `function`: a call. */
export function compileCall(node: AstNode, compiler: DirectCompiler): Direct {
  const { procedure, arguments: nodes = [] } = node;
  if (procedure?.type !== "variable" || !hasOnly(procedure, ["type", "value", "position"])) giveUp();
  const name = procedure.value as string;
  const args = nodes.map((argument) => compiler.compile(argument));
  const [first] = args;
  const ofAny = OF_ANY.get(name);
  if (ofAny !== undefined) {
    if (first === undefined || args.length > 1) giveUp();
    return (context, run) => {
      run.work(1);
      return ofAny(uncallable(first(context, run)));
    };
  }
  const { parameters, required = parameters.length } = SIGNATURES.get(name) ?? giveUp();
  // With fewer arguments JSONata takes the context for the first one.
  if (args.length < required || args.length > parameters.length) giveUp();
  const original = ORIGINALS.get(name)!.implementation as (...args: unknown[]) => unknown;
  const looksAtContext = args.length < original.length;
  return (context, run) => {
    run.work(1);
    if (looksAtContext && typeof context === "string") scalar(context);
    const values: unknown[] = [];
    for (let index = 0; index < args.length; index++) {
      const value = args[index]!(context, run);
      const isMissing = value === undefined && index === 0;
      values.push(isMissing ? undefined : parameters[index]!(value));
      if (Array.isArray(value)) run.work(value.length / 16);
    }
    const result = original(...values);
    return typeof result === "number" ? finite(result) : scalar(result);
  };
}

function uncallable(value: unknown): unknown {
  if (typeof value === "object" && value !== null && looksCallable(value)) giveUp();
  return value;
}
