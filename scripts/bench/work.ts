/**
 * The work that every contender does: one expression over the body, one answer. Each call's body has a number of its
 * own, so that an answer that belongs to another caller is seen.
 */
import jsonata from "jsonata";

/** The workflow, for Millrace. */
export const WORKFLOW = {
  name: "Three pure nodes",
  settings: { saveExecutionToDatabase: false },
  nodes: [
    { id: "hook", type: "webhook", parameters: { path: "bench", method: "POST", responseMode: "lastNode" } },
    { id: "sum", type: "transform", parameters: { output: { total: "{{ $sum(body.items.(price * quantity)) }}" } } },
    { id: "reply", type: "httpResponse", parameters: { status: 201, body: { ok: true, total: "{{ total }}" } } },
  ],
  connections: [{ from: "hook", to: "sum" }, { from: "sum", to: "reply" }],
};

/** The body of the call with this number. */
export function bodyOf(n: number): string {
  return `{"items":[{"price":2,"quantity":${n}},{"price":5,"quantity":1}]}`;
}

/** What that call must be answered. */
export function answerTo(n: number): string {
  return `{"ok":true,"total":${2 * n + 5}}`;
}

const sum = jsonata("$sum(body.items.(price * quantity))");

/** The same work by hand, for the others. */
export async function work(body: string): Promise<string> {
  return JSON.stringify({ ok: true, total: await sum.evaluate({ body: JSON.parse(body) }) });
}
