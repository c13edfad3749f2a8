import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { answer, failure, openSite, type Seen, seen } from "./http_site.ts";

const test = suite("httpRequest, redirected");
const { port, origin, close } = await openSite();
test.after(close);

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

test.run();
