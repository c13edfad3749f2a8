/**
 * The port between the engine and a node type: a schema for its parameters and a compiler that turns them into a
 * function that runs.
 */
import type { z } from "zod";
import type { JsonValue } from "../lib/json.ts";
import type { NodeRun, Schedule, Webhook } from "./definition.ts";
import type { Template } from "../expression/scope.ts";

/** Tools of a node type for compiling a node's parameters. */
export interface CompileTools {
  readonly nodeId: string;
  /**
   * Compiles a parameter in which strings may hold `{{ expressions }}`. A parse error is reported as a fault under
   * `pointer` (relative to the node's `parameters`, such as `/headers/x-total`), and compiling continues.
   */
  template(value: JsonValue, pointer: string): Template;
  /** Reports a fault that the schema does not check, under a pointer relative to the node's `parameters`. */
  fault(pointer: string, detail: string): void;
}

/** A strategy that does a node's work. */
export interface NodeType<Parameters = unknown> {
  /** Its name in definitions. */
  readonly type: string;
  /** What starts an execution at it; a node type that has this is a trigger and is never run. */
  readonly starts?: "webhook" | "manual" | "schedule";
  /** True when its output is the response to the caller: `{status, headers, body?, bodyBase64?}`. */
  readonly responds?: boolean;
  /** True when running it twice can be noticed outside. */
  readonly hasSideEffects: boolean;
  /** True when it calls others, and calls `beforeCall` of its context before: then it may have a `rateLimit`. */
  readonly callsOut?: boolean;
  /** Checks `parameters` and fills in defaults; values may be literals or `{{ expressions }}`. */
  readonly parameters: z.ZodType<Parameters>;
  /** The outputs that a connection may name besides `error`; `["main"]` if absent. */
  outputs?(parameters: Parameters): string[];
  /** For webhook triggers: what they listen to. */
  webhook?(parameters: Parameters, tools: CompileTools): Webhook;
  /** For schedule triggers: when they run. */
  schedule?(parameters: Parameters, nodeId: string): Schedule;
  /** Makes the function that runs the node. Triggers have none. */
  compile?(parameters: Parameters, tools: CompileTools): NodeRun;
}

/** Node types by name. */
// deno-lint-ignore no-explicit-any
export type NodeTypes = ReadonlyMap<string, NodeType<any>>;
