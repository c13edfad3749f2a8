import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { LookupFunction } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RetryableError, type TerminalError } from "../../src/lib/errors.ts";
import type { JsonObject, JsonValue } from "../../src/lib/json.ts";
import { createGuardedFetch } from "../../src/nodes/guarded_fetch.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { compileDefinition } from "../../src/workflow/compile.ts";
import type { NodeContext } from "../../src/workflow/definition.ts";
import { contextOf } from "../expression/scope.ts";

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

const seen: Seen[] = [];

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const { method = "", url = "", headers } = request;
  seen.push({ method, url, headers, body });
  const path = new URL(url, "http://x").pathname;
  const status = /^\/status\/(\d+)/.exec(path)?.[1];
  if (status !== undefined) {
    response.writeHead(Number(status), { "content-type": "text/plain" }).end(`status ${status}`);
  } else if (path === "/redirect") {
    const { searchParams } = new URL(url, "http://x");
    response.writeHead(Number(searchParams.get("status") ?? 302), { location: searchParams.get("to") ?? "" }).end();
  } else if (path === "/loop") response.writeHead(302, { location: "/loop" }).end();
  else if (path === "/slow") response.writeHead(200).write("a");
  else if (path === "/never") return;
  else if (path === "/endless") {
    response.writeHead(200, { "content-type": "text/plain" });
    const timer = setInterval(() => response.write("x".repeat(65_536)), 1);
    response.on("close", () => clearInterval(timer));
  } else if (path === "/binary") {
    response.writeHead(200, { "content-type": "image/png" }).end(new Uint8Array([0, 255, 1]));
  } else if (path === "/latin1") {
    response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" }).end(new Uint8Array([0xe9]));
  } else if (path === "/notjson") response.writeHead(200, { "content-type": "application/json" }).end("{oops");
  else if (path === "/deep") {
    response.writeHead(200, { "content-type": "application/json" }).end("[".repeat(5000) + "]".repeat(5000));
  } else if (path === "/cookies") response.writeHead(204, { "set-cookie": ["a=1", "b=2"] }).end();
  else response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end('{"ok":true}');
}

const server = createServer((request, response) => void handle(request, response));
const test = suite("httpRequest");
let port = 0;
let origin = "";

test.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  origin = `http://127.0.0.1:${port}`;
});

test.after(() => {
  server.closeAllConnections();
  server.close();
});

function call(
  parameters: object,
  options: { allow?: string[]; context?: Partial<NodeContext>; lookup?: LookupFunction; input?: JsonValue } = {},
) {
  const { allow = ["127.0.0.1"], context = {}, lookup, input = {} } = options;
  const fetch = createGuardedFetch({ allow, ...(lookup && { lookup }) });
  const { run } = compileDefinition({
    nodes: [{ id: "start", type: "manual" }, { id: "node", type: "httpRequest", parameters }],
    connections: [{ from: "start", to: "node" }],
  }, { nodeTypes: createNodeTypes({ fetch }) });
  return (run.get("node") as NonNullable<ReturnType<typeof run.get>>)(contextOf(input, context));
}

async function answer(parameters: object, options?: Parameters<typeof call>[1]): Promise<JsonObject> {
  const result = await call(parameters, options);
  assert.ok("output" in result, "it did not end");
  return result.output as JsonObject;
}

async function failure(parameters: object, options?: Parameters<typeof call>[1]): Promise<TerminalError> {
  const error = await call(parameters, options).then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof Error, "it did not fail");
  return error as TerminalError;
}

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

test("refuses every spelling of the local machine", async () => {
  seen.length = 0;
  const hosts = [
    "127.0.0.1",
    "127.1",
    "127.9.9.9",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "１２７.0.0.1",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
  ];
  for (const host of hosts) {
    const error = await failure({ url: `http://${host}:${port}/`, timeoutSeconds: 5 }, { allow: [] });
    assert.is(error.code, "http_blocked", host);
    assert.not.instance(error, RetryableError);
  }
  assert.equal(seen, []);
});

test("refuses private, link-local and other special addresses", async () => {
  const hosts = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[fec0::1]",
    "[2001:db8::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:168.63.129.16]",
    "[::ffff:a83f:8110]",
    "[::ffff:100.100.100.200]",
  ];
  for (const host of hosts) {
    assert.is((await failure({ url: `http://${host}/`, timeoutSeconds: 5 }, { allow: [] })).code, "http_blocked", host);
  }
});

/** A resolver that answers the same for every name. */
function resolver(...addresses: string[]): LookupFunction {
  return (_hostname, _options, callback) => {
    const all = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    (callback as (error: null, found: typeof all) => void)(null, all);
  };
}

test("refuses a name that leads to the local machine", async () => {
  seen.length = 0;
  for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3"]) {
    const lookup = resolver(address);
    const error = await failure({ url: `http://innocent.example:${port}/` }, { allow: [], lookup });
    assert.is(error.code, "http_blocked", address);
  }
  assert.equal(seen, []);
});

test("refuses a redirect that leads to the local machine", async () => {
  const lookup = resolver("127.0.0.1");
  for (
    const to of [
      `http://127.0.0.1:${port}/secret`,
      `http://[::1]:${port}/secret`,
      `http://other.example:${port}/secret`,
    ]
  ) {
    seen.length = 0;
    const url = `http://allowed.example:${port}/redirect?to=${encodeURIComponent(to)}`;
    const error = await failure({ url }, { allow: ["allowed.example"], lookup });
    assert.is(error.code, "http_blocked", to);
    assert.equal(seen.map(({ url }) => url.slice(0, 9)), ["/redirect"]);
  }
});

/** A server of another origin that answers, or redirects once, and says what it was sent. */
async function otherOrigin(test: (origin: string, requests: Seen[]) => Promise<void>): Promise<void> {
  const requests: Seen[] = [];
  const other = createServer((request, response) => {
    void (async () => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      const { method = "", url = "", headers } = request;
      requests.push({ method, url, headers, body });
      if (url === "/back") response.writeHead(307, { location: `${origin}/` }).end();
      else response.writeHead(200, { "content-type": "text/plain" }).end("there");
    })();
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  try {
    await test(`http://127.0.0.1:${(other.address() as AddressInfo).port}`, requests);
  } finally {
    other.closeAllConnections();
    other.close();
  }
}

const SECRETS = {
  "X-Api-Key": "k",
  authorization: "Bearer k",
  cookie: "a=1",
  "x-odd": "k",
  "x-hub-signature-256": "k",
};
const HARMLESS = { accept: "text/plain", "user-agent": "mill/1", "accept-language": "de" };

test("sends no header of its own along when a redirect leaves the origin, nor when it comes back", () =>
  otherOrigin(async (other, requests) => {
    seen.length = 0;
    for (const to of [`${other}/`, `${other}/back`, "/"]) {
      const url = `${origin}/redirect?to=${encodeURIComponent(to)}`;
      const output = await answer({ url, headers: { ...SECRETS, ...HARMLESS } });
      assert.is(output.status, 200);
    }
    const returned = seen.filter(({ url }) => url === "/");
    assert.is(requests.length, 2);
    assert.is(returned.length, 2);
    for (const { headers } of [...requests, returned[0]!]) {
      for (const name of [...Object.keys(SECRETS), "idempotency-key", "traceparent"]) {
        assert.is(headers[name.toLowerCase()], undefined, name);
      }
      for (const [name, value] of Object.entries(HARMLESS)) assert.is(headers[name], value);
    }
    // Within the origin everything goes along.
    for (const [name, value] of Object.entries(SECRETS)) assert.is(returned[1]!.headers[name.toLowerCase()], value);
  }));

test("takes method and body along as the Fetch standard has it", () =>
  otherOrigin(async (other, requests) => {
    const cases: [number, string, string, string][] = [
      [301, "POST", "GET", ""],
      [302, "POST", "GET", ""],
      [303, "POST", "GET", ""],
      [303, "PUT", "GET", ""],
      [301, "PUT", "PUT", "x"],
      [307, "POST", "POST", "x"],
      [308, "POST", "POST", "x"],
    ];
    for (const [status, method, expected, body] of cases) {
      requests.length = 0;
      const url = `${origin}/redirect?status=${status}&to=${encodeURIComponent(other)}`;
      await answer({ url, method, body: "x" });
      assert.equal([requests[0]?.method, requests[0]?.body], [expected, body], `${status} ${method}`);
      assert.is(requests[0]?.headers["content-type"] !== undefined, body !== "");
    }
  }));

test("does not follow a redirect to credentials in a URL, nor say them", async () => {
  const to = encodeURIComponent(`http://bob:sesame@127.0.0.1:${port}/`);
  const error = await failure({ url: `${origin}/redirect?to=${to}` });
  assert.is(error.code, "http_error");
  assert.not.match(`${error.message} ${error.detail}`, "sesame");
});

test("follows redirects, but not for ever", async () => {
  assert.is((await answer({ url: `${origin}/redirect?to=/` })).status, 200);
  assert.is((await failure({ url: `${origin}/loop` })).code, "http_error");
  assert.is((await failure({ url: `${origin}/redirect?to=file:///etc/passwd` })).code, "http_error");
});

test("reaches what is listed: a name, an address, a range, with a port or without", async () => {
  const ways = [
    "127.0.0.1",
    `127.0.0.1:${port}`,
    "127.0.0.0/8",
    "::ffff:127.0.0.1",
    "::ffff:127.0.0.0/104",
  ];
  for (const allow of ways) assert.is((await answer({ url: `${origin}/` }, { allow: [allow] })).status, 200, allow);
  const lookup = resolver("127.0.0.1");
  for (const allow of ["mine.example", `mine.example:${port}`, "127.0.0.0/8", "MINE.example"]) {
    assert.is((await answer({ url: `http://mine.example:${port}/` }, { allow: [allow], lookup })).status, 200, allow);
  }
});

test("reaches nothing beside what is listed", async () => {
  const lookup = resolver("127.0.0.1");
  for (const allow of ["127.0.0.2", "127.0.0.1:1", "10.0.0.0/8", "other.example", "mine.example:1", "::1"]) {
    const url = `http://mine.example:${port}/`;
    assert.is((await failure({ url }, { allow: [allow], lookup })).code, "http_blocked", allow);
  }
});

for (const rule of ["", "10.0.0.0/99", "http://a", "a/8", "[::1"]) {
  test(`createGuardedFetch() refuses to allow "${rule}"`, () => {
    assert.throws(() => createGuardedFetch({ allow: [rule] }), /Cannot allow/);
  });
}

test.run();
