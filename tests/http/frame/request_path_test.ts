// timeout: 60
/**
 * Paths as they go over the wire: `fetch` would normalise them.
 */
import { connect } from "node:net";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAmbiguous } from "../../../src/http/frame/request_path.ts";
import { listen, type Listener } from "../../../src/http/server.ts";

const test = suite("paths");
/** Says which path a request came to. */
const seen: string[] = [];
let server: Listener;

test.before(async () => {
  server = await listen((request) => {
    seen.push(new URL(request.url).pathname);
    return new Response("served");
  }, { hostname: "127.0.0.1", port: 0 });
});
test.after(() => server.close({ graceMs: 0 }));

/** Sends a target as it is and gives the status line and the body. */
function send(target: string, host = "127.0.0.1"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    let text = "";
    socket.setTimeout(20_000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (data) => text += data.toString("latin1")).on("end", () => resolve(text)).on("error", reject);
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, "latin1");
  });
}

const AMBIGUOUS = [
  "/..",
  "/.",
  "/webhook/../metrics",
  "/webhook/./a",
  "/webhook/%2e%2e/metrics",
  "/webhook/.%2E/metrics",
  "/webhook/%2e",
  "/webhook/..%2fmetrics",
  "/webhook/a%2F..%2Fb",
  "/webhook\\..\\metrics",
  "/webhook/a\\b",
  "/webhook/%5c..%5cmetrics",
  "/webhook/a%5Cb",
  "http://127.0.0.1/webhook/../metrics",
  "/webhook/..?a=1",
];
const PLAIN = [
  "/",
  "/webhook/a.b",
  "/webhook/...",
  "/webhook/..a",
  "/webhook/a?b=../..",
  "/webhook/a?b=\\",
  "/a%2Fb",
  "/webhook/a%2f.b",
  "/webhook/%252e%252e/b",
  "/.well-known/x",
];

test("isAmbiguous() tells what a path would become from what it is", () => {
  for (const target of AMBIGUOUS) assert.ok(isAmbiguous(target), target);
  for (const target of PLAIN) assert.not.ok(isAmbiguous(target), target);
});

test("a path with dot segments or backslashes is answered with 400, as a problem, and reaches no handler", async () => {
  seen.length = 0;
  for (const target of AMBIGUOUS) {
    const answer = await send(target);
    assert.match(answer, /^HTTP\/1\.1 400 /, target);
    assert.match(answer, "application/problem+json");
    assert.match(answer, '"code":"malformed_request"');
  }
  assert.equal(seen, []);
});

test("any other path is served as it is", async () => {
  for (const target of PLAIN) {
    seen.length = 0;
    assert.match(await send(target), /^HTTP\/1\.1 200 /, target);
    assert.is(seen[0], target.split("?")[0]);
  }
});

test("a request without a valid host or target is answered with 400, as a problem", async () => {
  for (const [target, host] of [["/", "a b"], ["nothing", "a"], ["/", "a/b"], ["/", "[::"]]) {
    assert.match(await send(target!, host), /^HTTP\/1\.1 400 /, `${target} ${host}`);
  }
});

test("no target reaches a handler under another path than the one it spells", async () => {
  const part = fc.constantFrom(
    ".",
    "..",
    "%2e",
    "%2E",
    "/",
    "//",
    "%2f",
    "%2F",
    "\\",
    "%5c",
    "%5C",
    "a",
    "webhook",
    "metrics",
    "%",
    "%25",
    ";",
    ":",
    "@",
    "?",
    "#",
    "%00",
    "%zz",
    "\xe4",
    "~",
    "*",
    "..;",
  );
  const target = fc.array(part, { maxLength: 10 }).map((parts) => `/${parts.join("")}`);
  await fc.assert(
    fc.asyncProperty(target, async (target) => {
      seen.length = 0;
      const answer = await send(target);
      assert.match(answer, /^HTTP\/1\.1 (200|400) /, target);
      if (seen.length === 0) return;
      const path = /^[^?#]*/.exec(target)![0];
      // As many segments, each the same once decoded: nothing was resolved.
      const segments = (text: string) => text.split("/").map((segment) => segment.replaceAll("\xe4", "%C3%A4"));
      assert.equal(segments(seen[0]!), segments(path), target);
    }),
    { numRuns: 400 },
  );
});

test.run();
