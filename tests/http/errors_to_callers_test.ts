/**
 * What callers are told of a failure: a code and fixed words, or the workflow author's own. What exactly went wrong
 * stands under /api and in the log, and secrets in neither.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError, RetryableError, TerminalError, UnavailableError } from "../../src/lib/errors.ts";
import { createGuardedFetch } from "../../src/nodes/guarded_fetch.ts";
import { json, post } from "./harness.ts";
import { chain, openWholeApp } from "./whole_app.ts";

const test = suite("errors to callers");

/** In every place where a failing node could pick it up: no caller may see it, no operator either. */
const SECRET = "hunter2-s3cr3t";
/** What operators need and callers must not see. */
const HOST = "ledger.corp.internal";

interface Case {
  readonly node: { type: string; parameters: Record<string, unknown> };
  readonly code: string;
  /** What the state of the execution names besides the code. */
  readonly detail?: RegExp;
  readonly body?: unknown;
}

const request = (url: string, more = {}) => ({ type: "httpRequest", parameters: { url, ...more } });
const headers = { authorization: `Bearer ${SECRET}`, "x-api-key": SECRET };

const CASES: Record<string, (origin: string) => Case> = {
  "a URL with a password": () => ({
    node: request(`https://bob:${SECRET}@${HOST}/pay?token=${SECRET}`),
    code: "invalid_url",
    detail: /ledger\.corp\.internal/,
  }),
  "a URL that is none, with a password": () => ({
    node: request(`postgres://bob:${SECRET}@${HOST}/pay?token=${SECRET}`),
    code: "invalid_url",
    detail: /ledger\.corp\.internal/,
  }),
  "a URL that cannot be parsed": () => ({
    node: request(`http://bob:${SECRET}/${SECRET}@${HOST}:port/pay?token=${SECRET}#${SECRET}`),
    code: "invalid_url",
  }),
  "a blocked host": () => ({
    node: request(`http://${HOST}/pay?token=${SECRET}`, { headers }),
    code: "http_blocked",
    detail: /ledger\.corp\.internal/,
  }),
  "a blocked address": () => ({
    node: request(`http://10.1.2.3/pay?token=${SECRET}`, { headers }),
    code: "http_blocked",
    detail: /10\.1\.2\.3/,
  }),
  "a status": (origin) => ({
    node: request(`${origin}/pay/T0123456789abcdef-${SECRET}?token=${SECRET}`, { headers }),
    code: "http_status",
    detail: /127\.0\.0\.1:\d+\/pay\/\*{3} .*418/,
  }),
  "a redirect to where nobody listens": (origin) => ({
    node: request(`${origin}/away`, { headers }),
    code: "http_error",
    detail: /127\.0\.0\.1/,
  }),
  "no answer in time": (origin) => ({
    node: request(`${origin}/never?token=${SECRET}`, { headers, timeoutSeconds: 0.05 }),
    code: "http_timeout",
    detail: /127\.0\.0\.1:\d+\/never/,
  }),
  "a response with a header that cannot be sent": () => ({
    node: { type: "httpResponse", parameters: { headers: { "x-ledger": "{{ body.line }}" } } },
    body: { line: `${SECRET}\n${HOST}` },
    code: "invalid_header",
    detail: /x-ledger/,
  }),
  "a response with a status that is none": () => ({
    node: { type: "httpResponse", parameters: { status: "{{ body.status }}" } },
    body: { status: HOST },
    code: "invalid_status",
    detail: /ledger\.corp\.internal/,
  }),
  "a delay that is none": () => ({
    node: { type: "delay", parameters: { seconds: "{{ body.seconds }}" } },
    body: { seconds: HOST },
    code: "invalid_delay",
    detail: /ledger\.corp\.internal/,
  }),
};

const server = createServer((request, response) => {
  if (request.url!.startsWith("/never")) return;
  // Port 1 of this machine: a connection refused names its address.
  if (request.url === "/away") return response.writeHead(302, { location: `http://127.0.0.1:1/?t=${SECRET}` }).end();
  return response.writeHead(418).end(SECRET);
});
let origin = "";
test.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
});

const guarded = createGuardedFetch({
  allow: ["127.0.0.1"],
  lookup: (_name, options, callback) =>
    options.all ? callback(null, [{ address: "10.9.8.7", family: 4 }]) : callback(null, "10.9.8.7", 4),
});

for (const [what, makeCase] of Object.entries(CASES)) {
  test(`a caller is told a code and fixed words of ${what}, an operator the rest, and neither a secret`, async () => {
    const { node, code, detail, body = {} } = makeCase(origin);
    await using whole = await openWholeApp({ fetch: guarded });
    await whole.catalog.put("one", chain("one", [{ id: "node", ...node }]));
    const response = await whole.app.request("/webhook/one", post(body as never));
    assert.is(response.status, 500);
    const text = await response.text();
    const problem = JSON.parse(text);
    assert.is(problem.code, "execution_failed");
    assert.is(problem.error.code, code);
    assert.equal(Object.keys(problem.error).sort(), ["code", "message", "node"]);
    assert.is(problem.detail, problem.error.message);
    for (const hidden of [SECRET, HOST, "127.0.0.1", "10.1.2.3", "10.9.8.7", "ECONN", "bob", "418"]) {
      // The id is random, and may hold the digits of a status.
      assert.not.match(text.replaceAll(problem.executionId, ""), hidden);
    }
    const state = await json(await whole.app.request(`/api/executions/${problem.executionId}`));
    assert.is(state.error.code, code);
    if (detail !== undefined) assert.match(state.error.detail, detail);
    const events = JSON.stringify(await whole.store.log.read(problem.executionId).then((all) => all.slice(1)));
    for (const operators of [JSON.stringify(state), events, ...whole.lines]) assert.not.match(operators, SECRET);
  });
}

test("a caller is told the words of a fail node as they are", async () => {
  await using whole = await openWholeApp();
  const parameters = { code: "no_stock", message: "Nothing is left of {{ body.item }}" };
  await whole.catalog.put("one", chain("one", [{ id: "no", type: "fail", parameters }]));
  const problem = await json(await whole.app.request("/webhook/one", post({ item: "flour" })));
  assert.equal(problem.error, { code: "no_stock", message: "Nothing is left of flour", node: "no" });
});

test("what a handled failure delivers to the next node has no detail", async () => {
  await using whole = await openWholeApp({ fetch: guarded });
  const call = { id: "call", ...request(`http://${HOST}/`), onError: "continue" };
  await whole.catalog.put(
    "one",
    chain("one", [call, { id: "all", type: "transform", parameters: { output: "{{ $ }}" } }]),
  );
  const response = await whole.app.request("/webhook/one", post({}));
  assert.is(response.status, 200);
  const { error } = await json(response);
  assert.equal(Object.keys(error), ["code", "message"]);
  assert.not.match(error.message, HOST);
});

for (
  const [what, thrown] of [
    ["an exception", new Error(`connect to ${HOST} with ${SECRET}?password=${SECRET} failed`)],
    ["what is no error", `bearer ${SECRET}`],
    ["an error with a detail", new TerminalError("odd", "It was odd", { detail: `https://x:${SECRET}@${HOST}/` })],
    ["an error that wraps another", new RetryableError("odd", "It was odd", { cause: new Error(SECRET) })],
  ] as const
) {
  test(`a caller is told nothing of ${what} that a node threw`, async () => {
    const fetch = () => Promise.reject(thrown);
    await using whole = await openWholeApp({ fetch });
    await whole.catalog.put("one", chain("one", [{ id: "call", ...request("https://example.com/") }]));
    const text = await (await whole.app.request("/webhook/one", post({}))).text();
    for (const hidden of [SECRET, HOST]) assert.not.match(text, hidden);
  });
}

test("a caller is told nothing of what the store says when it refuses", async () => {
  await using whole = await openWholeApp();
  await whole.catalog.put("one", chain("one", []));
  const refusal = new UnavailableError(`Redis refuses: NOPERM ${HOST}`, {
    cause: new Error(`${SECRET}@${HOST}`),
    mayHaveHappened: false,
  });
  whole.store.log.request = () => Promise.reject(refusal);
  whole.store.projections.list = () => Promise.reject(refusal);
  for (
    const response of [await whole.app.request("/webhook/one", post({})), await whole.app.request("/api/executions")]
  ) {
    assert.is(response.status, 503);
    assert.is(response.headers.get("retry-after"), "1");
    const text = await response.text();
    assert.is(JSON.parse(text).code, "unavailable");
    for (const hidden of [SECRET, HOST, "NOPERM"]) assert.not.match(text, hidden);
  }
});

test("a caller gets the earlier answer of a version that no longer compiles, and is told nothing of its faults", async () => {
  await using whole = await openWholeApp();
  const hook = { id: "hook", type: "webhook", parameters: { path: "one", responseMode: "responseNode" } };
  const reply = { id: "reply", type: "httpResponse", parameters: {} };
  const put = (name: string) =>
    whole.catalog.put("one", { name, nodes: [hook, reply], connections: [{ from: "hook", to: "reply" }] });
  await put("first");
  const send = () => whole.app.request("/webhook/one", post({}, { "idempotency-key": "k" }));
  assert.is((await send()).status, 200);
  await put("second");
  whole.catalog.get = () =>
    Promise.reject(new InvalidWorkflowError([{ pointer: "/nodes/1", detail: `Cannot parse "${SECRET}"` }]));
  const response = await send();
  assert.is(response.status, 200);
  assert.is(response.headers.get("idempotency-replayed"), "true");
  assert.not.match(await response.text(), SECRET);
});

test.run();
