/**
 * Types of JSONata's internals that its own types leave out, where the limits of expressions rely on them
 * (jsonata 2.2, `jsonata.js`).
 */

import type { Meter } from "./expression_meter.ts";

/** A node of the syntax tree. JSONata runs the very tree that `ast()` returns, so it can be changed. */
export interface AstNode {
  type: string;
  value?: unknown;
  position?: number;
  steps?: AstNode[];
  stages?: AstNode[];
  terms?: { descending: boolean; expression: AstNode }[];
  arguments?: AstNode[];
  procedure?: AstNode;
  expressions?: AstNode[];
  lhs?: AstNode;
  rhs?: AstNode;
  body?: AstNode;
  [key: string]: unknown;
}

/** An environment frame; `base` is the one of this evaluation. */
export interface Frame {
  readonly base: BaseFrame;
}

/** The outermost frame of one evaluation. */
export interface BaseFrame extends Frame {
  /** Counts a step; throws at a limit. */
  guardrails: () => void;
  createSequence(...first: unknown[]): unknown[];
  bind(name: string | symbol, value: unknown): void;
  timestamp: Date;
  /** A constructor that is given a literal. */
  RegexEngine: (literal: RegExp) => unknown;
  /** Number of nested steps. */
  readonly depth: number;
  /** The meter of this evaluation; JSONata does not use it. */
  meter: Meter;
}

/** `this` of a built-in function. */
export interface Focus {
  readonly environment: Frame;
  readonly input: unknown;
  /** Missing where a function is called by what was made of it with `?`: its arguments are not validated then. */
  readonly createSequence?: unknown;
}

/** A built-in function. */
export interface FunctionDefinition {
  readonly _jsonata_function: true;
  readonly implementation: (this: Focus, ...args: never[]) => unknown;
  readonly signature?: { validate(args: unknown[], context: unknown): unknown[] };
}

/** What JSONata throws: a plain object. */
export interface JsonataFailure {
  readonly code?: string;
  readonly message?: string;
  readonly position?: number;
}

/** A hook that JSONata awaits before each step of an evaluation. */
export type EntryHook = (expression: AstNode, input: unknown, frame: Frame) => void;

/** The name under which the environment holds the {@linkcode EntryHook}. */
export const ENTRY_HOOK = Symbol.for("jsonata.__evaluate_entry");

/** A hook that JSONata awaits after each step of an evaluation. */
export type ExitHook = (expression: AstNode, input: unknown, frame: Frame, result: unknown) => Promise<void> | void;

/** The name under which the environment holds the {@linkcode ExitHook}. */
export const EXIT_HOOK = Symbol.for("jsonata.__evaluate_exit");

/** True for data that JSONata takes for a function, functions included. */
export function looksCallable(value: object): boolean {
  const { _jsonata_function, _jsonata_lambda } = value as Record<string, unknown>;
  return _jsonata_function === true || _jsonata_lambda === true;
}

/** True for a lambda or a built-in, false for data that only looks like one. */
export function isFunctionValue(value: object): boolean {
  if (typeof value === "function") return true;
  const { _jsonata_lambda, _jsonata_function, environment, implementation } = value as {
    _jsonata_lambda?: unknown;
    _jsonata_function?: unknown;
    environment?: { lookup?: unknown };
    implementation?: unknown;
  };
  return (_jsonata_lambda === true && typeof environment?.lookup === "function") ||
    (_jsonata_function === true && typeof implementation === "function");
}
