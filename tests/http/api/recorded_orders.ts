/**
 * A whole app with executions of a workflow that are recorded, for backtests.
 */
import * as assert from "uvu/assert";
import type { Store } from "../../../src/storage/store.ts";
import { post } from "../harness.ts";
import { chain, openWholeApp, type WholeApp } from "../whole_app.ts";

/** A price that depends on a call, and parts that the clock, chance and the execution's id go into. */
export function definition(price: string, url = "http://shop.test/{{ body.n }}") {
  return chain("orders", [
    { id: "rate", type: "httpRequest", parameters: { url } },
    {
      id: "stamp",
      type: "transform",
      parameters: {
        output: { n: "{{ body }}", at: "{{ $millis() }}", dice: "{{ $random() }}", id: "{{ $execution.id }}" },
      },
    },
    { id: "price", type: "transform", parameters: { output: { price, n: "{{ $trigger.body.n }}" } } },
    { id: "wait", type: "delay", parameters: { seconds: 0.01 } },
    { id: "reply", type: "httpResponse", parameters: { body: "{{ $nodes.price.price }}" } },
  ]) as { nodes: object[] };
}

/** The price when they are recorded. */
export const BEFORE = "{{ $number(n) * 2 }}";

/** What was recorded, and how often something was called so far. */
export interface Recorded {
  readonly whole: WholeApp;
  readonly ids: string[];
  readonly calls: () => number;
}

/** Runs a test on so many recorded executions. */
export async function withRecorded(options: { count: number; store?: Store }, test: (it: Recorded) => Promise<void>) {
  let calls = 0;
  const fetch: typeof globalThis.fetch = (url) => {
    calls++;
    return Promise.resolve(new Response(String(url).slice("http://shop.test/".length)));
  };
  await using whole = await openWholeApp({ fetch, ...(options.store && { store: options.store }) });
  await whole.catalog.put("orders", definition(BEFORE));
  const ids: string[] = [];
  for (let n = 1; n <= options.count; n++) {
    const response = await whole.app.request("/webhook/orders", post({ n }));
    assert.is(response.status, 200, await response.clone().text());
    ids.push(response.headers.get("execution-id")!);
  }
  await test({ whole, ids, calls: () => calls });
}
