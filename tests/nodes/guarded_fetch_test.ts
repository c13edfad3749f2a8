import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createSilent } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RetryableError } from "../../src/lib/errors.ts";
import { createGuardedFetch } from "../../src/nodes/guarded_fetch.ts";
import { answer, failure, openSite, resolver, seen } from "./http_site.ts";

/** Calls of the timer by which undici counts its own timeouts: about half a second each. */
let tick: (() => void) | undefined;
globalThis.setTimeout = new Proxy(globalThis.setTimeout, {
  apply(target, self, rest) {
    const [run, ms] = rest;
    if (ms === 499) tick ??= run;
    return Reflect.apply(target, self, rest);
  },
});

/** Ten minutes pass for undici. */
function passTime(): void {
  assert.type(tick, "function");
  for (let times = 0; times < 1200; times++) tick!();
}

const test = suite("httpRequest, guarded");
const { port, origin, close } = await openSite();
test.after(close);

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
    const error = await failure({ url: `http://${host}:${port}/` }, { allow: [] });
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
    assert.is((await failure({ url: `http://${host}/` }, { allow: [] })).code, "http_blocked", host);
  }
});

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

for (const rule of ["", "10.0.0.0/99", "http://a", "a/8", "[::1", ":::", "h:70000", "h:0"]) {
  test(`createGuardedFetch() refuses to allow "${rule}"`, () => {
    assert.throws(() => createGuardedFetch({ allow: [rule] }), /Cannot allow/);
  });
}

test("createGuardedFetch() waits for the answer and for its body for as long as its signal lets it", async () => {
  const held: ServerResponse[] = [];
  const late = createServer((_request, response) => void held.push(response)).listen(0, "127.0.0.1");
  try {
    await once(late, "listening");
    const { port } = late.address() as AddressInfo;
    const answered = createGuardedFetch({ allow: ["127.0.0.1"] })(`http://127.0.0.1:${port}/`);
    answered.catch(() => {});
    await once(late, "request");
    passTime();
    held[0]!.writeHead(200).write("a");
    const response = await answered;
    passTime();
    held[0]!.end("b");
    assert.is(await response.text(), "ab");
  } finally {
    late.closeAllConnections();
    late.close();
  }
});

test("createGuardedFetch() gives up a connection that is not made", async () => {
  const silent = createSilent((socket) => socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
  try {
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const answered = createGuardedFetch({ allow: ["127.0.0.1"] })(`https://127.0.0.1:${port}/`);
    const failed = answered.then(() => undefined, (error: Error) => error.cause as { code?: string });
    await once(silent, "connection");
    passTime();
    assert.is((await failed)?.code, "UND_ERR_CONNECT_TIMEOUT");
  } finally {
    silent.close();
  }
});

test.run();
