import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../../src/config/api_tokens.ts";
import { SCOPE_OF } from "../../../src/http/frame/scopes.ts";
import { json, post, withApp } from "../harness.ts";

const TOKENS = apiTokens.parse(
  "reader:reader-token:read,runner:runner-token:run,writer:writer-token:write,both:both-token:run|read,boss:boss-token:admin,bare-token",
);
const ALL = ["reader", "runner", "writer", "both", "boss", "bare"];

/** A call, and who may make it. */
const CALLS: [string, string, string[]][] = [
  ["GET", "/api/workflows", ["reader", "both"]],
  ["HEAD", "/api/workflows", ["reader", "both"]],
  ["GET", "/api/executions/x/events", ["reader", "both"]],
  ["GET", "/api/sessions/a/data/x/y", ["reader", "both"]],
  ["GET", "/api/events/recent", ["reader", "both"]],
  ["GET", "/metrics", ["reader", "both"]],
  ["POST", "/api/workflows/a/run", ["runner", "both"]],
  ["POST", "/api/workflows/%61/run", ["runner", "both"]],
  ["POST", "/api/executions/x/replay", ["runner", "both"]],
  ["POST", "/api/schedules/w/n/run", ["runner", "both"]],
  ["PUT", "/api/workflows/a", ["writer"]],
  ["POST", "/api/executions/x/cancel", ["writer"]],
  ["POST", "/api/schedules/w/n/backfill", ["writer"]],
  ["DELETE", "/api/sessions/a", ["writer"]],
  ["POST", "/api/dead-letters/x/requeue", []],
  ["DELETE", "/api/dead-letters/x", []],
  ["DELETE", "/api/history", []],
  ["POST", "/api/workflow-state/rebuild", []],
  ["GET", "/api/nothing", []],
  ["PATCH", "/api/workflows", []],
  ["OPTIONS", "/api/workflows", ["reader", "runner", "writer", "both"]],
];

test("a token is for what its scopes say, and admin is for everything", () =>
  withApp({
    config: { apiTokens: TOKENS },
    deps: { metrics: { text: () => Promise.resolve({ contentType: "text/plain", body: "up 1\n" }) } },
  }, async ({ app }) => {
    for (const [method, path, allowed] of CALLS) {
      for (const name of ALL) {
        const response = await app.request(path, { method, headers: { authorization: `Bearer ${name}-token` } });
        await response.body?.cancel();
        const isIn = allowed.includes(name) || name === "boss" || name === "bare";
        assert.is(response.status === 403, !isIn, `${name}: ${method} ${path} got ${response.status}`);
        assert.is.not(response.status, 401);
      }
    }
  }));

test("a token that is not enough gets 403 insufficient_scope with the scope that is", () =>
  withApp({ config: { apiTokens: TOKENS } }, async ({ app, lines }) => {
    const response = await app.request("/api/workflows/a/run", post({}, { authorization: "Bearer reader-token" }));
    assert.is(response.status, 403);
    assert.is(response.headers.get("www-authenticate"), 'Bearer error="insufficient_scope", scope="run"');
    assert.is((await json(response)).code, "insufficient_scope");
    assert.is(lines.at(-1)!.fields["token"], "reader");
    assert.not.match(JSON.stringify(lines), "reader-token");
    await app.request("/api/workflows", { headers: { authorization: "Bearer bare-token" } });
    assert.is("token" in lines.at(-1)!.fields, false);
    await app.request("/api/workflows", { headers: { authorization: "Bearer reader-tokem" } });
    assert.equal([lines.at(-1)!.fields["status"], "token" in lines.at(-1)!.fields], [401, false]);
  }));

test("every call of the API has a scope that somebody chose", () =>
  withApp({}, ({ app }) => {
    const calls = app.routes.filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/"));
    assert.ok(calls.length > 50);
    for (const { method, path } of calls) assert.ok(SCOPE_OF.has(`${method} ${path}`), `${method} ${path}`);
    return Promise.resolve();
  }));

test.run();
