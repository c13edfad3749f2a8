/**
 * What a node is given that runs against a record: the time and the execution are those of the record, waits are over at
 * once, and nobody hears what it reports.
 */
import type { JsonValue } from "../lib/json.ts";
import type { Scope } from "../expression/scope.ts";
import type { NodeContext } from "../workflow/definition.ts";

/** The context of a node, at another time (epoch milliseconds) and in another execution. */
export class Past implements NodeContext {
  readonly scope: Scope;
  readonly nodeId: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly isStub = true;
  readonly inlineWaitMs = -1;
  readonly now = (): number => this.#now;
  readonly progress = nothing;
  waitedUntil?: number;
  readonly #context: NodeContext;
  #now: number;

  constructor(context: NodeContext, then: number, execution: Scope["execution"]) {
    this.scope = new PastScope(context, then, execution);
    this.nodeId = context.nodeId;
    this.attempt = context.attempt;
    this.idempotencyKey = context.idempotencyKey;
    if (context.waitedUntil !== undefined) this.waitedUntil = context.waitedUntil;
    this.#context = context;
    this.#now = then;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get traceparent(): string {
    return this.#context.traceparent;
  }

  /** The time has come for which the node waits. */
  waitUntil(time: number): void {
    this.waitedUntil = time;
    this.#now = time;
  }
}

/** What its expressions see. */
class PastScope implements Scope {
  readonly input: JsonValue;
  readonly trigger: JsonValue;
  readonly nodes: Scope["nodes"];
  readonly execution: Scope["execution"];
  readonly now: number;
  readonly #context: NodeContext;

  constructor(context: NodeContext, then: number, execution: Scope["execution"]) {
    const { input, trigger, nodes } = context.scope;
    this.input = input;
    this.trigger = trigger;
    this.nodes = nodes;
    this.execution = execution;
    this.now = then;
    this.#context = context;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }
}

function nothing(): void {}
