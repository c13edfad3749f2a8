import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError, RetryableError } from "../../src/lib/errors.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import type { NodeReport } from "../../src/workflow/definition.ts";
import { answer, call, drip, failure, openSite, seen } from "./http_site.ts";

const test = suite("httpRequest");
const { origin, close } = await openSite();
test.after(close);

test("sends what it is told, with the idempotency key and the trace context", async () => {
  seen.length = 0;
  const parameters = {
    url: "{{ origin }}/orders?a=1",
    method: "post",
    query: { q: "{{ n }}", list: ["x", "y z"], none: null },
    headers: { "X-Token": "t{{ n }}" },
    body: { n: "{{ n }}" },
  };
  const output = await answer(parameters, { input: { origin, n: 5 } });
  assert.equal([output.status, output.body], [200, { ok: true }]);
  const [request] = seen;
  assert.is(request?.method, "POST");
  assert.is(request?.url, "/orders?a=1&q=5&list=x&list=y+z");
  assert.is(request?.body, '{"n":5}');
  assert.is(request?.headers["content-type"], "application/json");
  assert.is(request?.headers["x-token"], "t5");
  assert.is(request?.headers["idempotency-key"], "0197:node");
  assert.match(request?.headers.traceparent as string, /^00-0af7/);
});

test("reads the answer by its content type", async () => {
  assert.equal((await answer({ url: `${origin}/binary` })).body, { base64: "AP8B" });
  assert.is((await answer({ url: `${origin}/latin1` })).body, "é");
  assert.is((await answer({ url: `${origin}/notjson` })).body, "{oops");
  const cookies = await answer({ url: `${origin}/cookies` });
  assert.is(cookies.body, null);
  assert.equal((cookies.headers as JsonObject)["set-cookie"], ["a=1", "b=2"]);
  assert.is((await failure({ url: `${origin}/deep` })).code, "response_too_deep");
  // It would be null in the log, and so for whoever goes on from there.
  assert.is((await failure({ url: `${origin}/infinite` })).code, "output_not_json");
});

test("fails by a status from 400 on, and says whether trying again may help", async () => {
  for (const [status, retryable] of [[400, false], [404, false], [408, true], [425, true], [429, true], [503, true]]) {
    const error = await failure({ url: `${origin}/status/${status}` });
    assert.is(error.code, "http_status");
    assert.is(error instanceof RetryableError, retryable, String(status));
  }
  for (const acceptStatus of [true, [404], ["404"], ["400-499"]]) {
    assert.is((await answer({ url: `${origin}/status/404`, acceptStatus })).status, 404);
  }
  assert.is((await failure({ url: `${origin}/status/500`, acceptStatus: ["400-499"] })).code, "http_status");
});

test("reads no more than maxBytes", async () => {
  assert.is((await failure({ url: `${origin}/endless`, maxBytes: 100_000 })).code, "response_too_large");
});

test("gives up after timeoutSeconds, before and while the answer comes", async () => {
  for (const path of ["never", "slow"]) {
    const error = await failure({ url: `${origin}/${path}`, timeoutSeconds: 0.1 });
    assert.is(error.code, "http_timeout", path);
    assert.instance(error, RetryableError);
  }
});

test("ends when its signal aborts", async () => {
  const controller = new AbortController();
  const reason = new Error("cancelled");
  setTimeout(() => controller.abort(reason), 20);
  assert.is(await failure({ url: `${origin}/never` }, { context: { signal: controller.signal } }), reason);
});

for (
  const [name, headers] of [["as many as it says", { "content-length": "1000000" }], [
    "who knows how many",
    {},
  ]] as const
) {
  test(`reports how far a body is that takes long: of ${name}`, async () => {
    Object.assign(drip, { headers, isOver: false });
    const reports: NodeReport[] = [];
    const progress = (report: NodeReport) => {
      reports.push(report);
      drip.isOver = true;
    };
    const parameters = { url: `${origin}/drip`, acceptStatus: true };
    const result = call(parameters, { context: { progress } });
    // One that ends before its length has failed.
    await ("content-length" in headers ? result.catch(() => {}) : result);
    const [{ percent, data } = {}] = reports;
    const { receivedBytes, totalBytes } = data as { receivedBytes: number; totalBytes?: number };
    assert.ok(receivedBytes > 0);
    assert.equal([percent, totalBytes], "content-length" in headers ? [0, 1_000_000] : [undefined, undefined]);
  });
}

test("says that nobody answers", async () => {
  const unused = await new Promise<number>((resolve) => {
    const other = createServer().listen(0, "127.0.0.1", () => {
      const { port } = other.address() as AddressInfo;
      other.close(() => resolve(port));
    });
  });
  const error = await failure({ url: `http://127.0.0.1:${unused}/` });
  assert.is(error.code, "http_error");
  assert.instance(error, RetryableError);
  assert.is(error.message, "The call failed");
  assert.match(error.detail!, "ECONNREFUSED");
});

for (const url of ["", "orders", "ftp://example.com/", "file:///etc/passwd", "http://", "http://u:p@example.com/"]) {
  test(`refuses the URL "${url}"`, async () => {
    assert.is((await failure({ url: "{{ url }}" }, { input: { url } })).code, "invalid_url");
  });
}

test("refuses headers that would break the request", async () => {
  const parameters = { url: origin, headers: { "x-a": "{{ value }}" } };
  assert.is((await failure(parameters, { input: { value: "a\r\nb: c" } })).code, "invalid_header");
  for (const name of ["content-length", "a b", "Transfer-Encoding"]) {
    assert.throws(() => call({ url: origin, headers: { [name]: "x" } }));
  }
});

for (
  const [headers, pointer] of [
    [{ "x-a": "a\r\nb: c" }, "x-a"],
    [{ "x-a": ["a", "\u2603"] }, "x-a/1"],
    [{ "x-a": { a: "{{ b }}" } }, "x-a"],
    [{ accept: "a", Accept: "b" }, "Accept"],
  ] as const
) {
  test(`takes no headers that it could never send: ${JSON.stringify(headers)}`, () => {
    const isFault = (error: unknown) =>
      error instanceof InvalidWorkflowError &&
      error.faults.map(({ pointer }) => pointer).join() === `/nodes/1/parameters/headers/${pointer}`;
    assert.throws(() => call({ url: origin, headers }), isFault);
  });
}

test.run();
