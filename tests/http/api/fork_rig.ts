/**
 * The whole app, in which tests start executions and forks of them.
 */
import type { JsonValue } from "../../../src/lib/json.ts";
import type { Store } from "../../../src/storage/store.ts";
import { json, post } from "../harness.ts";
import { openWholeApp, type WholeApp } from "../whole_app.ts";

/** An app, and the calls that its executions make. */
export interface Rig extends AsyncDisposable {
  readonly whole: WholeApp;
  /** The URLs that were called, in order. */
  readonly calls: string[];
}

/** An app whose calls answer with how many there were, or fail where the URL says so. */
export async function rig(store?: Store): Promise<Rig> {
  const calls: string[] = [];
  const fetch: typeof globalThis.fetch = (url) => {
    calls.push(String(url));
    const status = /fail/.test(String(url)) ? 503 : 200;
    return Promise.resolve(Response.json({ call: calls.length }, { status }));
  };
  const whole = await openWholeApp({ fetch, ...(store && { store }) });
  return { whole, calls, [Symbol.asyncDispose]: () => whole[Symbol.asyncDispose]() };
}

/** Runs a webhook to its end; the execution's id. */
export async function run(whole: WholeApp, path: string, body: JsonValue): Promise<string> {
  const response = await whole.app.request(`/webhook/${path}`, post(body));
  return response.headers.get("execution-id")!;
}

/** Starts a fork and waits for its end. */
export async function fork(whole: WholeApp, of: string, body: object) {
  const response = await whole.app.request(`/api/executions/${of}/replay`, post(body as never, { prefer: "wait=300" }));
  return { status: response.status, id: response.headers.get("execution-id")!, body: await json(response) };
}

/** The JSON of a GET. */
export const get = async (whole: WholeApp, path: string) => await json(await whole.app.request(path));
