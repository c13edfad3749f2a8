// timeout: 90
/**
 * What the bodies of all calls may cost together, and what one may cost besides its bytes.
 */
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../../src/lib/uuidv7.ts";
import { BodyBudget } from "../../../src/http/protocol/body_budget.ts";
import { readBytes } from "../../../src/http/protocol/request_body.ts";
import { listen } from "../../../src/http/server.ts";
import { eventually } from "../../support/eventually.ts";
import { finish, json, post, taken, withApp } from "../harness.ts";
import { webhookWorkflow } from "../workflows.ts";
import { chain, openWholeApp } from "../whole_app.ts";

const test = suite("bodies");

test("a body with too many values is refused before it is parsed", () =>
  withApp({ config: { bodyLimitBytes: 8_000_000 } }, async ({ app, claims }) => {
    const send = (body: string) =>
      app.request("/webhook/orders", { method: "POST", body, headers: { "content-type": "application/json" } });
    for (const unit of ["[],", "1,", "{},", '"",']) {
      const response = await send(`[${unit.repeat(2_000_000 / unit.length).slice(0, -1)}]`);
      assert.is(response.status, 413, unit);
      const problem = await json(response);
      assert.is(problem.code, "json_too_many_values");
      assert.is(problem.limitValues, 10_000);
    }
    assert.is((await send(`{"a":${'{"a":'.repeat(200)}1${"}".repeat(201)}`)).status, 400);
    assert.is((await send(JSON.stringify("[],".repeat(1_000_000)))).status, 200);
    assert.is((await send(JSON.stringify(Array(4_000).fill(1)))).status, 200);
    assert.is(claims.length, 2);
  }));

test("bodies past the budget of all get 503 with Retry-After, until an earlier call is answered", () =>
  withApp({ config: { bodiesLimitBytes: 150_000 }, work: () => "hold" }, async ({ app, store, claims }) => {
    const big = "x".repeat(80_000);
    const first = app.request("/webhook/orders", post(big));
    await taken(claims);
    for (let n = 0; n < 3; n++) {
      const response = await app.request("/webhook/orders", post(big));
      assert.is(response.status, 503);
      assert.is(response.headers.get("retry-after"), "1");
      assert.is((await json(response)).code, "bodies_full");
    }
    const put = { method: "PUT", body: `"${big}"`, headers: { "content-type": "application/json" } };
    assert.is((await app.request("/api/workflows/x", put)).status, 503);
    // Small ones still find room.
    const small = app.request("/webhook/orders", post("x"));
    await taken(claims, 2);
    for (const claim of claims) await finish(store, claim, { status: "completed", output: 1 });
    assert.equal([(await first).status, (await small).status], [200, 200]);
    const later = app.request("/webhook/orders", post(big));
    await taken(claims, 3);
    await finish(store, claims[2]!, { status: "completed", output: 1 });
    assert.is((await later).status, 200);
  }));

test("whatever becomes of calls, nothing of the budget stays taken", () =>
  withApp({ config: { bodiesLimitBytes: 100_000, bodyLimitBytes: 90_000 } }, async ({ app }) => {
    const headers = { "content-type": "application/json" };
    const broken = () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(50_000));
          controller.error(new Error("gone"));
        },
      });
    for (let n = 0; n < 10; n++) {
      await app.request("/webhook/orders", { method: "POST", headers, body: `{${" ".repeat(80_000)}` });
      await app.request("/webhook/orders", { method: "POST", headers, body: broken(), duplex: "half" } as RequestInit);
      await app.request("/webhook/nothing", post("x".repeat(80_000)));
      await app.request("/api/workflows/x/run", post("x".repeat(80_000)));
      await app.request("/webhook/orders", post("x".repeat(95_000)));
    }
    assert.is((await app.request("/webhook/orders", post("x".repeat(80_000)))).status, 200);
  }));

test("a budget is given back once, and by who took it", () => {
  const budget = new BodyBudget({ limitBytes: 10 });
  const [one, two] = [budget.open(), budget.open()];
  one.add(6);
  two.add(4);
  assert.throws(() => two.add(1), (error: { code: string }) => error.code === "bodies_full");
  assert.is(budget.heldBytes, 10);
  one.close();
  one.close();
  assert.is(budget.heldBytes, 4);
  two.close();
  assert.is(budget.heldBytes, 0);
});

test("a body in chunks of a byte costs what its bytes cost", async () => {
  let left = 300_000;
  const body = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array([left % 256]));
      else controller.close();
    },
  });
  const request = new Request("http://localhost/", { method: "POST", body, duplex: "half" } as RequestInit);
  const share = new BodyBudget({ limitBytes: 300_000 }).open();
  const bytes = await readBytes(request, { limitBytes: 1_000_000, stallMs: 60_000, share });
  assert.is(bytes.length, 300_000);
  assert.equal([bytes[0], bytes[299_999]], [299_999 % 256, 0]);
});

for (
  const [what, head, drip] of [
    ["a small body", "Content-Length: 100", ""],
    ["a small body that drips", "Content-Length: 100", "x"],
    ["a body of some size", "Content-Length: 60000", ""],
    ["a body of some size that drips", "Content-Length: 60000", "x"],
    ["a large body", "Content-Length: 90000", ""],
    ["a body without a length", "Transfer-Encoding: chunked", ""],
    ["a body that drips", "Content-Length: 90000", "x"],
    ["chunks that drip", "Transfer-Encoding: chunked", "1\r\nx\r\n"],
  ]
) {
  test(`${what} that does not come is answered with 408, and the connection closed`, () =>
    withApp({ config: { bodyStallSeconds: 0.2 } }, async ({ app, lines }) => {
      const server = await listen((request) => app.fetch(request), { hostname: "127.0.0.1", port: 0 });
      const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
      try {
        let text = "";
        let ended = false;
        socket.on("data", (data) => text += data).on("end", () => ended = true).on("error", () => ended = true);
        socket.write(`POST /webhook/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n${head}\r\n\r\n`);
        const dripping = setInterval(() => drip !== "" && socket.write(drip!), 50);
        await eventually(() => ended, `the connection ends, after: ${text}`);
        clearInterval(dripping);
        assert.match(text, /^HTTP\/1\.1 408 /);
        assert.match(text, '"code":"body_timeout"');
        assert.is(lines.at(-1)!.fields["status"], 408);
      } finally {
        socket.destroy();
        await server.close({ graceMs: 0 });
      }
    }));
}

test("a body that came with the head is taken from there, at the API too", async () => {
  await using whole = await openWholeApp();
  const [sent, came] = ["x".repeat(2_000), new TextEncoder().encode(`[${" ".repeat(1_998)}]`)];
  const headers = { "content-type": "application/json", "content-length": "2000" };
  for (
    const [method, path] of [
      ["PUT", "/api/workflows/x"],
      ["POST", "/api/workflows/x/run"],
      ["POST", "/api/workflows/x/backtest"],
      ["POST", `/api/executions/${uuidv7()}/replay`],
      ["POST", "/api/executions"],
      ["PUT", "/api/sessions/u"],
      ["POST", "/api/sessions/u/events"],
      ["PUT", "/api/designer/d"],
    ] as const
  ) {
    let taken = 0;
    const takeBody = () => {
      taken++;
      return came;
    };
    const response = await whole.app.request(path, { method, headers, body: sent }, { takeBody });
    assert.equal([taken, (await json(response)).code === "malformed_json"], [1, false], path);
  }
});

for (const size of [60_000, 90_000]) {
  test(`a body of ${size} bytes that comes slowly, but comes, is taken`, async () => {
    const parts = 20;
    // In all it takes more than the time in which a part must come.
    const [stallMs, partMs] = [300, 30];
    let left = parts;
    const body = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, partMs));
        controller.enqueue(new Uint8Array(size / parts));
        if (--left === 0) controller.close();
      },
    });
    const headers = { "content-length": String(size) };
    const request = new Request("http://localhost/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
    const share = new BodyBudget({ limitBytes: 300_000 }).open();
    assert.is((await readBytes(request, { limitBytes: 1_000_000, stallMs, share })).length, size);
  });
}

test("a webhook that is called from too many webhooks answers 508", () =>
  withApp({ workflows: [webhookWorkflow()] }, async ({ app, claims }) => {
    const send = (depth: string) => app.request("/webhook/orders", post({}, { "millrace-depth": depth }));
    for (const fine of ["0", "1", "10", "x", "-1", "1e9", ""]) assert.is((await send(fine)).status, 200, fine);
    const { length } = claims;
    for (const deep of ["11", "999999999"]) {
      const response = await send(deep);
      assert.is(response.status, 508);
      assert.is((await json(response)).code, "depth_exceeded");
    }
    assert.is(claims.length, length);
  }));

test("a workflow that calls itself comes to an end, soon, and without tries at every depth", async () => {
  let calls = 0;
  // deno-lint-ignore prefer-const
  let whole: Awaited<ReturnType<typeof openWholeApp>>;
  const fetch = (async (url: string, init: RequestInit) => {
    calls++;
    return await whole.app.request(url.replace("https://mill.example", ""), init);
  }) as typeof globalThis.fetch;
  whole = await openWholeApp({ fetch });
  await using _closed = whole;
  const retry = { maxAttempts: 5, backoffMs: 1, maxBackoffMs: 1 };
  const parameters = { url: "https://mill.example/webhook/self", method: "POST", body: {} };
  await whole.catalog.put("self", chain("self", [{ id: "call", type: "httpRequest", parameters, retry } as never]));
  const response = await whole.app.request("/webhook/self", post({}));
  assert.is(response.status, 508);
  assert.is((await json(response)).code, "depth_exceeded");
  assert.is(calls, 11);
  const own = { ...parameters, headers: { "Millrace-Depth": "0" } };
  const refused = await whole.catalog.put(
    "other",
    chain("other", [{ id: "call", type: "httpRequest", parameters: own }]),
  )
    .then(() => undefined, (error) => error);
  assert.is(refused?.code, "invalid_workflow");
});

test.run();
