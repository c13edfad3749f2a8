// timeout: 180
/**
 * Bad input over a real socket: each gets a clear answer, and after each the server still serves.
 */
import { createServer } from "node:http";
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chain, type Instance, post, putWorkflow, runMain, startInstance } from "./instance.ts";
import { fails, problem, runNode } from "./one_node.ts";

const test = suite("Bad input");
const token = "a-token-of-some-length";
const authorization = `Bearer ${token}`;
let server: Instance;

test.before(async () => {
  server = await startInstance({ BODY_LIMIT_BYTES: "100000", OUTPUT_LIMIT_BYTES: "50000", LOG_LEVEL: "warn" });
  await putWorkflow(
    server.url,
    "echo",
    chain("echo", [{ id: "same", type: "transform", parameters: { output: "{{ body }}" } }]),
  );
});
test.after(async () => {
  assert.is(await server.stop(), 0);
});
test.after.each(async () => {
  const response = await post(`${server.url}/webhook/echo`, "still here");
  assert.is(await response.json(), "still here");
});

function send(body: string | ReadableStream | FormData, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}/webhook/echo`, { method: "POST", headers, body, duplex: "half" } as RequestInit);
}

test("malformed JSON is a 400", async () => {
  await problem(await send('{"a":', { "content-type": "application/json" }), 400, "malformed_json");
  await problem(await send("{}\x00", { "content-type": "application/json" }), 400, "malformed_json");
});

test("a definition that is not JSON is a 415, and one that is malformed a 400", async () => {
  const put = (type: string, body: string) =>
    fetch(`${server.url}/api/workflows/x`, { method: "PUT", headers: { "content-type": type }, body });
  await problem(await put("text/plain", "{}"), 415, "unsupported_media_type");
  await problem(await put("application/json", "{"), 400, "malformed_json");
});

test("a body over the limit is a 413, declared or chunked", async () => {
  await problem(await send("x".repeat(100_001), { "content-type": "text/plain" }), 413, "body_too_large");
  const chunks = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(10_000));
      controller.close();
    },
  });
  await problem(await send(chunks, { "content-type": "text/plain" }), 413, "body_too_large");
});

test("an unknown webhook is a 404, a wrong method a 405 with Allow", async () => {
  await problem(await fetch(`${server.url}/webhook/nothing`), 404, "webhook_not_found");
  const wrong = await fetch(`${server.url}/webhook/echo`);
  assert.match(wrong.headers.get("allow") ?? "", "POST");
  await problem(wrong, 405, "method_not_allowed");
  const api = await fetch(`${server.url}/api/executions`, { method: "DELETE" });
  assert.match(api.headers.get("allow") ?? "", "GET");
  await problem(api, 405, "method_not_allowed");
  await problem(await fetch(`${server.url}/nothing`), 404, "not_found");
});

test("a definition with many faults is one 422 that names them all", async () => {
  const response = await fetch(`${server.url}/api/workflows/bad`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      name: "bad",
      nodes: [
        { id: "hook", type: "webhook", parameters: { path: "bad" } },
        { id: "twice", type: "transform", parameters: { output: "{{ $sum( }}" } },
        { id: "twice", type: "transform", parameters: { output: 1 } },
        { id: "odd", type: "teleport", parameters: {} },
        { id: "reply", type: "httpResponse", parameters: { status: 99 } },
        { id: "x", type: "transform", parameters: { output: 1 } },
        { id: "y", type: "transform", parameters: { output: 1 } },
      ],
      connections: [{ from: "hook", to: "nowhere" }, { from: "x", to: "y" }, { from: "y", to: "x" }],
    }),
  });
  const { errors } = await problem(response, 422, "invalid_workflow") as {
    errors: { pointer: string; detail: string }[];
  };
  const found = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join("\n");
  for (
    const fault of [
      "/nodes/1/parameters/output",
      "/nodes/2/id",
      "/nodes/3/type",
      "/nodes/4/parameters/status",
      "/connections/0/to",
      "cycle",
    ]
  ) {
    assert.match(found, fault);
  }
});

test("__proto__ stays data and pollutes nothing, and 5,000 levels of JSON are refused", async () => {
  const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}';
  const response = await send(text, { "content-type": "application/json" });
  assert.is(response.status, 200, await response.clone().text());
  assert.is(JSON.parse(await response.text()).a, 1);
  assert.not.match(await (await fetch(`${server.url}/health`)).text(), "polluted");
  const deep = "[".repeat(5000) + "]".repeat(5000);
  await problem(await send(deep, { "content-type": "application/json" }), 400, "json_too_deep");
});

test("expressions that loop, allocate or backtrack for ever are ended", async () => {
  const expressions = [
    "($f := function() { $f() }; $f())",
    "($f := function($n) { $f($n + 1) }; $f(0))",
    "[1..10000000]",
    "$sum([1..9999999].($ * $))",
    '$length($pad("x", 1000000000))',
    '($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("xxxxxxxxxxxxxxxx", 40))',
  ];
  for (const expression of expressions) {
    await fails(
      server.url,
      { type: "transform", parameters: { output: `{{ ${expression} }}` } },
      /^expression_|^output_/,
    );
  }
  // A regular expression is linear: this one would run for years.
  const response = await runNode(server.url, {
    type: "transform",
    parameters: { output: "{{ $match(body, /^(a+)+$/) }}" },
  }, `${"a".repeat(60)}!`);
  await response.body?.cancel();
});

test("a header with CR LF, a status of 99 or 1000, and an output over the limit fail the node", async () => {
  const reply = (parameters: unknown) => ({ type: "httpResponse", parameters });
  await fails(server.url, reply({ headers: { "x-a": "{{ body.h }}" } }), "invalid_header", {
    h: "a\r\nset-cookie: x=1",
  });
  for (const status of [99, 1000]) {
    await fails(server.url, reply({ status: "{{ body.s }}" }), "invalid_status", { s: status });
  }
  const big = { type: "transform", parameters: { output: '{{ $join([1..20000].("xxxxx")) }}' } };
  await fails(server.url, big, /output_too_large|expression_(limit|timeout)/);
});

test("a webhook path that another workflow has is a 409 that names it", async () => {
  const response = await fetch(`${server.url}/api/workflows/thief`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chain("echo", [{ id: "t", type: "transform", parameters: { output: 1 } }])),
  });
  const { detail } = await problem(response, 409, "webhook_path_taken");
  assert.match(String(detail), "echo");
});

test("an execution id or a Last-Event-ID that isn't one is a 400", async () => {
  for (const path of ["", "/result", "/events"]) {
    await problem(await fetch(`${server.url}/api/executions/nonsense${path}`), 400, "invalid_execution_id");
  }
  const response = await post(`${server.url}/webhook/echo`, 1);
  await response.body?.cancel();
  const events = `${server.url}/api/executions/${response.headers.get("execution-id")}/events`;
  const headers = { accept: "text/event-stream", "last-event-id": "nonsense" };
  await problem(await fetch(events, { headers }), 400, "invalid_last_event_id");
  await problem(
    await fetch(`${server.url}/api/executions/01900000-0000-7000-8000-000000000000`),
    404,
    "execution_not_found",
  );
});

test("a missing or wrong token is a 401", async () => {
  await using guarded = await startInstance({ API_TOKENS: `other-token-here,${token}`, LOG_LEVEL: "warn" });
  const list = (headers: Record<string, string>) => fetch(`${guarded.url}/api/workflows`, { headers });
  await problem(await list({}), 401, "unauthorized");
  await problem(await list({ authorization: `${authorization}x` }), 401, "unauthorized");
  await problem(await list({ authorization: `Basic ${token}` }), 401, "unauthorized");
  assert.is((await list({ authorization })).status, 200);
});

/** Spellings of this machine. */
const LOOPBACK = "127.0.0.1 0x7f000001 2130706433 [::ffff:127.0.0.1] [::1] localhost 127.1 0.0.0.0".split(" ");

test("httpRequest to loopback is refused in every spelling, unless HTTP_ALLOW lists it", async () => {
  let calls = 0;
  const target = createServer((request, response) => {
    calls++;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ key: request.headers["idempotency-key"], trace: request.headers["traceparent"] }));
  });
  await new Promise<void>((resolve) => target.listen(0, resolve));
  const { port } = target.address() as { port: number };
  try {
    for (const host of LOOPBACK) {
      await fails(server.url, { type: "httpRequest", parameters: { url: `http://${host}:${port}/` } }, "http_blocked");
    }
    assert.is(calls, 0);
    await using allowed = await startInstance({ HTTP_ALLOW: `127.0.0.1:${port}`, LOG_LEVEL: "warn" });
    const node = { id: "call", type: "httpRequest", parameters: { url: `http://127.0.0.1:${port}/` } };
    await putWorkflow(allowed.url, "call", chain("call", [node]));
    const response = await post(`${allowed.url}/webhook/call`, {});
    const { body } = await response.json();
    assert.is(body.key, `${response.headers.get("execution-id")}:call`);
    assert.match(body.trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.is(calls, 1);
  } finally {
    target.close();
  }
});

test("half a request and a connection that is cut harm nobody", async () => {
  const { hostname, port } = new URL(server.url);
  for (const text of ["POST /webhook/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{", "nonsense\r\n\r\n"]) {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write(text);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
  }
});

test("a wrong setting is one line and exit code 2; --help prints every variable", async () => {
  for (
    const [name, value] of [["PORT", "abc"], ["ROLES", "http,wheel"], ["REDIS_URL", "http://x"], ["HOST", "0.0.0.0"], [
      "WORKFLOWS_DIR",
      "/nowhere",
    ]] as const
  ) {
    const { code, stderr } = await runMain([], { [name]: value });
    assert.is(code, 2, stderr);
    assert.match(stderr, name);
    assert.is(stderr.trim().split("\n").length, 1);
  }
  const unreachable = await runMain(["--nonsense"], {});
  assert.is(unreachable.code, 2);
  const help = await runMain(["--help"], {});
  assert.is(help.code, 0);
  for (const name of ["PORT", "REDIS_URL", "PARTITIONS", "WORKER_CONCURRENCY", "API_TOKENS"]) {
    assert.match(help.stdout, name);
  }
});

test.run();
