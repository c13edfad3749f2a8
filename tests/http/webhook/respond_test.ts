import { test } from "uvu";
import * as assert from "uvu/assert";
import { MillraceError } from "../../../src/lib/errors.ts";
import { respond } from "../../../src/http/webhook/respond.ts";
import type { ExecutionResult, ResponseData } from "../../../src/execution/result.ts";

const OURS = { "execution-id": "e1" };

function answered(response: ResponseData): ExecutionResult {
  return { executionId: "e1", status: "completed", response };
}

function thrownBy(result: ExecutionResult): MillraceError {
  try {
    respond(result, OURS);
  } catch (error) {
    assert.instance(error, MillraceError);
    return error as MillraceError;
  }
  throw new Error("nothing was thrown");
}

test("respond() answers with the output as JSON when the workflow set no response", async () => {
  const response = respond({ executionId: "e1", status: "completed", output: { a: 1 } }, OURS);
  assert.is(response.status, 200);
  assert.is(response.headers.get("content-type"), "application/json");
  assert.is(response.headers.get("execution-id"), "e1");
  assert.equal(await response.json(), { a: 1 });
  assert.is(await respond({ executionId: "e1", status: "completed" }, OURS).text(), "null");
});

test("respond() sends JSON bodies, raw strings and bytes", async () => {
  const json = respond(answered({ status: 201, headers: { "x-a": "b" }, body: "text" }), OURS);
  assert.is(json.status, 201);
  assert.is(json.headers.get("x-a"), "b");
  assert.is(json.headers.get("content-type"), "application/json");
  assert.is(await json.text(), '"text"');

  const raw = respond(answered({ status: 200, headers: { "content-type": "text/html" }, body: "<p>" }), OURS);
  assert.is(raw.headers.get("content-type"), "text/html");
  assert.is(await raw.text(), "<p>");

  const bytes = respond(answered({ status: 200, headers: {}, bodyBase64: "AP8B" }), OURS);
  assert.is(bytes.headers.get("content-type"), "application/octet-stream");
  assert.equal([...new Uint8Array(await bytes.arrayBuffer())], [0, 255, 1]);
});

test("respond() sends no body with the statuses that have none", async () => {
  for (const status of [204, 205, 304]) {
    const response = respond(answered({ status, headers: {}, body: { a: 1 } }), OURS);
    assert.is(response.status, status);
    assert.is(await response.text(), "");
  }
});

test("respond() lets a page read the workflow's own headers beside ours, where the workflow says so", () => {
  const ours = { ...OURS, vary: "Origin", "access-control-expose-headers": "Execution-Id" };
  for (const own of ["x-total", ["x-total"]]) {
    const headers = { "x-total": "5", "Access-Control-Expose-Headers": own, vary: "Accept" };
    const response = respond(answered({ status: 200, headers, body: null }), ours);
    assert.is(response.headers.get("access-control-expose-headers"), "x-total, Execution-Id");
    assert.is(response.headers.get("vary"), "Accept, Origin");
  }
});

test("respond() repeats a header that is a list", () => {
  const headers = { "set-cookie": ["a=1", "b=2"], "x-one": "1" };
  const response = respond(answered({ status: 200, headers, body: null }), OURS);
  assert.equal(response.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.is(response.headers.get("x-one"), "1");
  assert.is(response.headers.get("execution-id"), "e1");
});

test("respond() keeps framing and its own headers out of the workflow's hands", () => {
  const headers = JSON.parse(
    '{"content-length":"5","transfer-encoding":"chunked","__proto__":["x"],"execution-id":"f"}',
  );
  const response = respond(answered({ status: 200, headers, body: "much longer than five" }), OURS);
  assert.not(response.headers.has("content-length"));
  assert.not(response.headers.has("transfer-encoding"));
  assert.is(response.headers.get("execution-id"), "e1");
});

test("respond() refuses what cannot be sent, with invalid_response", () => {
  const wrong: ResponseData[] = [
    { status: 99, headers: {} },
    { status: 101, headers: {} },
    { status: 600, headers: {} },
    { status: 200.5, headers: {} },
    { status: 200, headers: { "x-a": "1\r\nx-evil: 2" } },
    { status: 200, headers: { "bad name": "1" } },
    { status: 200, headers: { "x-a": "\u2603" } },
    { status: 200, headers: {}, bodyBase64: "not base64!" },
  ];
  for (const data of wrong) assert.is(thrownBy(answered(data)).code, "invalid_response", JSON.stringify(data));
});

test("respond() puts what a browser would run into a sandbox, unless the workflow says otherwise", () => {
  const policyOf = (headers: Record<string, string | string[]>) =>
    respond(answered({ status: 200, headers, body: "<script>" }), {}).headers.get("content-security-policy");
  const active = [
    "text/html",
    "TEXT/HTML; charset=utf-8",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/xml",
    "x/y+xml",
    "application/xml",
    "text/xsl",
    "multipart/x-mixed-replace; boundary=a",
    "text/plain, text/html",
    "text/html garbage",
  ];
  for (const type of active) assert.is(policyOf({ "content-type": type }), "sandbox", type);
  assert.is(policyOf({ "Content-Type": "text/html" }), "sandbox");
  assert.is(policyOf({ "content-type": ["text/plain", "text/html"] }), "sandbox");
  for (const type of ["text/plain", "application/json", "image/png", "application/pdf"]) {
    assert.is(policyOf({ "content-type": type }), null, type);
  }
  const own = "default-src 'self'";
  assert.is(policyOf({ "content-type": "text/html", "Content-Security-Policy": own }), own);
  assert.match(policyOf({ "content-type": "text/html", "content-security-policy": [own, "img-src *"] })!, own);
});

test("respond() joins what the caller's response varies by to what the workflow's own does", () => {
  const ours = { vary: "Origin", "x-a": "ours" };
  const sent = (headers: ResponseData["headers"]) => {
    const response = respond(answered({ status: 200, headers: { "x-a": ["1", "2"], ...headers }, body: 1 }), ours);
    return [response.headers.get("vary"), response.headers.get("x-a"), response.headers.get("content-type")];
  };
  const expected = [
    [{}, "Origin"],
    [{ Vary: "Accept-Language" }, "Accept-Language, Origin"],
    [{ vary: ["Accept", "Accept-Language"] }, "Accept, Accept-Language, Origin"],
    [{ vary: "Accept, origin" }, "Accept, origin"],
    [{ vary: "*" }, "*"],
  ] as const;
  for (const [headers, vary] of expected) assert.equal(sent(headers as never), [vary, "ours", "application/json"]);
});

test("respond() throws execution_failed with the node's error, and execution_cancelled", () => {
  const error = { code: "http_status", message: "404 from upstream", node: "call" };
  const failed = thrownBy({ executionId: "e1", status: "failed", error });
  assert.is(failed.code, "execution_failed");
  assert.is(failed.message, "404 from upstream");
  assert.equal(failed.options.extensions, { executionId: "e1", error });
  assert.is(thrownBy({ executionId: "e1", status: "cancelled" }).code, "execution_cancelled");
});

test.run();
