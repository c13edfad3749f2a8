import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../../src/config/api_tokens.ts";
import { json, post, withApp } from "../harness.ts";

const GUARDED = ["/api/workflows", "/api/executions", "/api/events", "/health", "/nothing"];

test("without tokens only names of this machine are answered", () =>
  withApp({ config: { allowedHosts: ["mill.example", "[fd00::1]"] } }, async ({ app }) => {
    const get = (host: string, path = "/api/workflows") => app.request(path, { headers: { host } });
    const own = [
      "localhost",
      "localhost:8080",
      "LOCALHOST:1",
      "a.localhost",
      "127.0.0.1:8080",
      "127.1.2.3",
      "[::1]:80",
      "mill.example",
      "Mill.Example:443",
      "[fd00::1]:8080",
    ];
    for (const host of own) assert.is((await get(host)).status, 200, host);
    const others = [
      "evil.example",
      "evil.example:8080",
      "localhost.evil.example",
      "127.0.0.1.nip.io",
      "0.0.0.0:8080",
      "notlocalhost",
      "10.0.0.1",
      "[::2]",
      "localhost@evil.example",
      "localhost:80:80",
      "localhost evil",
      "127.0.0.1.",
      "evil.mill.example",
      "",
    ];
    for (const host of others) {
      for (const path of ["/api/workflows", "/health"]) {
        const response = await get(host, path);
        assert.is(response.status, 403, host);
        assert.is((await json(response)).code, "host_not_allowed");
      }
    }
    for (const path of ["/livez", "/readyz"]) assert.is((await get("evil.example", path)).status, 200);
    // Webhooks are for the world; so is a tunnel to them.
    const hooked = await app.request("/webhook/orders", post({}, { host: "tunnel.example" }));
    assert.is(hooked.status, 200);
  }));

test("without tokens pages of other origins are refused, reading and writing", () =>
  withApp({}, async ({ app, claims }) => {
    const host = "localhost:8080";
    const others: Record<string, string>[] = [
      { origin: "https://evil.example" },
      { origin: "http://localhost:3000" },
      { origin: "http://localhost" },
      { origin: "null" },
      { origin: "" },
      { origin: "http://localhost:8080.evil.example" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "anything" },
      { origin: "http://localhost:8080", "sec-fetch-site": "cross-site" },
    ];
    for (const headers of others) {
      for (const path of GUARDED) {
        const response = await app.request(path, { headers: { host, ...headers } });
        assert.is(response.status, 403, `${path} ${JSON.stringify(headers)}`);
        assert.is((await json(response)).code, "origin_not_allowed");
      }
      const put = { method: "PUT", body: "{}", headers: { host, "content-type": "application/json", ...headers } };
      assert.is((await app.request("/api/workflows/new", put)).status, 403);
      const webhook = await app.request("/webhook/orders", post({}, headers));
      assert.is(webhook.status, 200);
    }
    assert.is((await app.request("/api/workflows/new")).status, 404);
    assert.is(claims.length, others.length);
    const own = [{}, { origin: "http://localhost:8080" }, { "sec-fetch-site": "same-origin" }, {
      "sec-fetch-site": "none",
    }];
    for (const headers of own as Record<string, string>[]) {
      assert.is((await app.request("/api/workflows", { headers: { host, ...headers } })).status, 200);
    }
  }));

test("without tokens a page of an origin in CORS_ORIGINS may call, under the machine's name", () =>
  withApp({ config: { corsOrigins: ["https://app.example"] } }, async ({ app }) => {
    const headers = { host: "localhost", origin: "https://app.example", "sec-fetch-site": "cross-site" };
    assert.is((await app.request("/api/workflows", { headers })).status, 200);
    const elsewhere = { ...headers, host: "evil.example" };
    assert.is((await app.request("/api/workflows", { headers: elsewhere })).status, 403);
    const other = { ...headers, origin: "https://evil.example" };
    assert.is((await app.request("/api/workflows", { headers: other })).status, 403);
  }));

test("with tokens it is the token that counts, under any name and from any page", () =>
  withApp({ config: { apiTokens: apiTokens.parse("long-enough") } }, async ({ app }) => {
    const headers = { host: "mill.example", origin: "https://app.example", "sec-fetch-site": "cross-site" };
    assert.is((await app.request("/api/workflows", { headers })).status, 401);
    const authorized = { ...headers, authorization: "Bearer long-enough" };
    assert.is((await app.request("/api/workflows", { headers: authorized })).status, 200);
  }));

test.run();
