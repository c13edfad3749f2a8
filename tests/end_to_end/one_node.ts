/**
 * Workflows of one node, and the problems that they end in.
 */
import * as assert from "uvu/assert";
import { chain, post, putWorkflow } from "./instance.ts";

type OneNode = { readonly type: string; readonly parameters: unknown };

/** Expects a problem document with this code, and no stack trace in it; resolves with it. */
export async function problem(response: Response, status: number, code: string): Promise<Record<string, unknown>> {
  const text = await response.text();
  assert.is(response.status, status, text);
  assert.match(response.headers.get("content-type") ?? "", "application/problem+json");
  const body = JSON.parse(text);
  assert.is(body.code, code);
  assert.not.match(text, / at .*:\d+:\d+/);
  return body;
}

/** Runs a workflow of one node and gives the answer. */
export async function runNode(url: string, node: OneNode, body: unknown = {}): Promise<Response> {
  await putWorkflow(url, "one", chain("one", [{ id: "node", ...node }]));
  return await post(`${url}/webhook/one`, body);
}

/** Expects a workflow of one node to fail with a code. */
export async function fails(url: string, node: OneNode, code: RegExp | string, body: unknown = {}): Promise<void> {
  const { error } = await problem(await runNode(url, node, body), 500, "execution_failed") as {
    error: { code: string };
  };
  assert.match(error.code, code);
}
