import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import undici from "undici";
import { OriginPools } from "../../src/nodes/origin_pools.ts";
import { eventually } from "../support/eventually.ts";
import { resolver } from "./http_site.ts";

const test = suite("OriginPools");

/** Requests for `/held` that have no answer yet. */
const held: ServerResponse[] = [];
const server = createServer((request, response) => {
  if (request.url === "/held") held.push(response);
  else response.end("ok");
});
let port = 0;
test.before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
});

/** Pools that lead to the server, whatever the name; and all that were made. */
function openPools(max: number, connect: undici.Pool.Options["connect"] = { lookup: resolver("127.0.0.1") }) {
  const pools: { origin: string; pool: undici.Pool }[] = [];
  const open = (origin: string) => {
    const pool = new undici.Pool(origin, { connect });
    pools.push({ origin, pool });
    return pool;
  };
  const dispatcher = new OriginPools({ max, open });
  const get = async (name: string, path = "/") => {
    const response = await undici.fetch(`http://${name}.example:${port}${path}`, { dispatcher });
    return await response.text();
  };
  return { pools, get };
}

/** The names whose pools are not closed. */
const openOf = (pools: ReturnType<typeof openPools>["pools"]) =>
  pools.flatMap(({ origin, pool }) => pool.closed ? [] : [origin.slice("http://".length, origin.indexOf("."))]);

test("OriginPools keeps connections to the origins that were called last", async () => {
  const { pools, get } = openPools(2);
  for (const name of ["a", "b", "a", "c", "a", "b"]) assert.is(await get(name), "ok");
  assert.equal(openOf(pools), ["a", "b"]);
  // All three, and again the one that was forgotten.
  assert.is(pools.length, 4);
  await eventually(() => pools.filter(({ pool }) => pool.destroyed).length === 2, "both others have ended");
});

test("OriginPools forgets origins that cannot be reached", async () => {
  const { pools, get } = openPools(2, (_target, done) => done(new Error("nobody there"), null));
  for (const name of ["a", "b", "c", "d"]) {
    const error = await get(name).catch((error) => error);
    assert.is(error.cause.message, "nobody there");
  }
  assert.equal(openOf(pools), ["c", "d"]);
  await eventually(() => pools.filter(({ pool }) => pool.destroyed).length === 2, "both others have ended");
});

test("OriginPools lets what runs at an origin end before it closes its connections", async () => {
  const { pools, get } = openPools(1);
  const answered = get("a", "/held");
  await eventually(() => held.length === 1, "the request");
  assert.is(await get("b"), "ok");
  const { pool } = pools[0]!;
  assert.equal([pool.closed, pool.destroyed], [true, false]);
  // Whoever comes now has connections of its own.
  assert.is(await get("a"), "ok");
  held[0]!.end("late");
  assert.is(await answered, "late");
  await eventually(() => pool.destroyed, "its end");
});

test.run();
