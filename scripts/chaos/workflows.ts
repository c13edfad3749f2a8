/**
 * The workflows of the load, whose answers the client can compute.
 */
import type { Random } from "./random.ts";

/** How long a webhook waits before it answers 504, in seconds. */
export const DEADLINE_SECONDS = 15;
/** How long an execution may take, in seconds. */
const TIMEOUT_SECONDS = 60;

/** What is posted. `key` is the call's `Idempotency-Key`, so that a log tells whose it is. */
export interface Payload {
  readonly key: string;
  readonly token: string;
  readonly n: number;
  /** Milliseconds that the workflow spends waiting. */
  readonly ms: number;
  /** How often the echo server refuses. */
  readonly fails: number;
}

/** What must be answered: status and JSON body; of a problem, only its `code`. */
export interface Expected {
  readonly status: number;
  readonly body?: unknown;
  readonly code?: string;
}

/** One kind of execution. */
export interface Kind {
  readonly id: string;
  /** How often, among all. */
  readonly weight: number;
  readonly ms: readonly [least: number, most: number];
  readonly fails?: readonly [least: number, most: number];
  readonly expect: (payload: Payload) => Expected;
  /** How long it takes with nothing in its way, in milliseconds, from its payload. */
  readonly nominalMs: (payload: Payload) => number;
  readonly nodes: (echo: string) => readonly Node[];
  /** Pairs of ids; a chain in the order of the nodes by default. */
  readonly connections?: readonly (readonly [string, string])[];
  readonly responseMode?: "lastNode" | "responseNode" | "onReceived";
}

interface Node {
  readonly id: string;
  readonly type: string;
  readonly parameters?: unknown;
  readonly retry?: unknown;
}

const REPLY: Node = {
  id: "reply",
  type: "httpResponse",
  parameters: { status: 201, body: { n: "{{ n }}", token: "{{ $trigger.body.token }}" } },
};
const TIMES_TWO: Node = { id: "twice", type: "transform", parameters: { output: { n: "{{ $trigger.body.n * 2 }}" } } };
const RETRY = { maxAttempts: 5, backoffMs: 40, maxBackoffMs: 200 };

function wait(id: string, part: number): Node {
  return { id, type: "delay", parameters: { seconds: `{{ $trigger.body.ms * ${part} / 1000 }}` } };
}

function call(id: string, echo: string, part: number, retry?: unknown): Node {
  const parameters = {
    url: echo,
    method: "POST",
    query: { waitMs: `{{ $trigger.body.ms * ${part} }}`, fails: "{{ $trigger.body.fails }}" },
    body: { n: "{{ $trigger.body.n * 3 }}" },
  };
  return { id, type: "httpRequest", parameters, ...(retry === undefined ? {} : { retry }) };
}

function unwrap(from: string): Node {
  return { id: "unwrap", type: "transform", parameters: { output: { n: `{{ $nodes.${from}.body.n }}` } } };
}

const times = (factor: number) => ({ n, token }: Payload): Expected => ({
  status: 201,
  body: { n: n * factor, token },
});
const itsMs = ({ ms }: Payload) => ms;

/** What the load is made of. */
export const KINDS: readonly Kind[] = [
  { id: "pure", weight: 4, ms: [0, 0], expect: times(2), nominalMs: () => 0, nodes: () => [TIMES_TWO, REPLY] },
  {
    id: "delay",
    weight: 3,
    ms: [5, 500],
    expect: times(2),
    nominalMs: itsMs,
    nodes: () => [wait("wait", 1), TIMES_TWO, REPLY],
  },
  {
    id: "steps",
    weight: 2,
    ms: [10, 500],
    expect: times(2),
    nominalMs: itsMs,
    nodes: () => [wait("first", 0.5), TIMES_TWO, wait("second", 0.5), { ...REPLY }],
  },
  {
    id: "call",
    weight: 2,
    ms: [0, 200],
    expect: times(3),
    nominalMs: itsMs,
    nodes: (echo) => [call("call", echo, 1), unwrap("call"), REPLY],
  },
  {
    id: "chain",
    weight: 1,
    ms: [100, 500],
    expect: times(3),
    nominalMs: itsMs,
    nodes: (echo) => [call("one", echo, 0.5), call("two", echo, 0.5), unwrap("two"), REPLY],
  },
  {
    id: "retry",
    weight: 2,
    ms: [0, 20],
    fails: [1, 3],
    expect: times(3),
    nominalMs: ({ ms }) => 4 * ms + 500,
    nodes: (echo) => [call("call", echo, 1, RETRY), unwrap("call"), REPLY],
  },
  {
    id: "fan",
    weight: 1,
    ms: [20, 200],
    expect: ({ n, token }) => ({ status: 201, body: { n: n * 5, token } }),
    nominalMs: itsMs,
    nodes: (echo) => [
      { ...TIMES_TWO },
      wait("wait", 1),
      call("call", echo, 1),
      { id: "sum", type: "transform", parameters: { output: { n: "{{ wait.n + call.body.n }}" } } },
      REPLY,
    ],
    connections: [["hook", "twice"], ["twice", "wait"], ["hook", "call"], ["wait", "sum"], ["call", "sum"], [
      "sum",
      "reply",
    ]],
  },
  {
    id: "early",
    weight: 1,
    ms: [20, 400],
    expect: times(2),
    nominalMs: itsMs,
    nodes: (echo) => [TIMES_TWO, REPLY, wait("after", 1), call("call", echo, 0)],
    responseMode: "responseNode",
  },
  {
    id: "later",
    weight: 1,
    ms: [20, 400],
    expect: () => ({ status: 200 }),
    nominalMs: () => 0,
    nodes: () => [wait("wait", 1), TIMES_TWO],
    responseMode: "onReceived",
  },
  {
    id: "fails",
    weight: 1,
    ms: [0, 50],
    expect: () => ({ status: 500, code: "execution_failed" }),
    nominalMs: itsMs,
    nodes: () => [wait("wait", 1), { id: "no", type: "fail", parameters: { message: "As asked", code: "as_asked" } }],
  },
  {
    id: "slow",
    weight: 0,
    ms: [5000, 5000],
    expect: times(3),
    nominalMs: itsMs,
    nodes: (echo) => [call("one", echo, 0.5), call("two", echo, 0.5), unwrap("two"), REPLY],
  },
];

/** A payload for a call of this kind. */
export function payloadOf(kind: Kind, key: string, random: Random): Payload {
  const fails = kind.fails === undefined ? 0 : random.between(...kind.fails);
  return {
    key,
    token: random.next().toString(36).slice(2),
    n: random.between(1, 1e6),
    ms: random.between(...kind.ms),
    fails,
  };
}

/** The definition to PUT. */
export function definitionOf(kind: Kind, echo: string): unknown {
  const nodes = kind.nodes(echo);
  const ids = ["hook", ...nodes.map(({ id }) => id)];
  const pairs = kind.connections ?? ids.slice(1).map((to, i) => [ids[i]!, to] as const);
  const { id, responseMode = "lastNode" } = kind;
  const hook = { path: id, method: "POST", responseMode, timeoutSeconds: DEADLINE_SECONDS };
  return {
    name: id,
    settings: { timeoutSeconds: TIMEOUT_SECONDS, resultTtlSeconds: 300 },
    nodes: [{ id: "hook", type: "webhook", parameters: hook }, ...nodes],
    connections: pairs.map(([from, to]) => ({ from, to })),
  };
}
