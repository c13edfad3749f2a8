// timeout: 240
/**
 * What was acknowledged of sessions is there, whichever instance dies, and their followers hear of it on any other; while
 * Redis is away everybody is told so within seconds.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { harmfulTest, startFaultyRedis } from "../support/faulty_redis.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { post, startInstance } from "./instance.ts";

const faulty = await harmfulTest(test);

test("patches that were acknowledged outlive the instance, and events reach followers on the other one", async () => {
  const { url } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const env = { REDIS_URL: url, REDIS_PREFIX: prefix, ROLES: "http", LOG_LEVEL: "warn" };
  const [a, b] = await Promise.all([startInstance(env), startInstance(env)]);
  try {
    const at = (instance: { url: string }, path = "") => `${instance.url}/api/sessions/alice${path}`;
    await fetch(at(a), { method: "PUT", headers: { "content-type": "application/json" }, body: "{}" });
    const controller = new AbortController();
    const { signal } = controller;
    const following = await fetch(at(b, "/events"), { headers: { accept: "text/event-stream" }, signal });
    let heard = "";
    const hearing = (async () => {
      for await (const part of following.body!.pipeThrough(new TextDecoderStream())) heard += part;
    })().catch(() => {});
    const waiting = fetch(at(b, "/commands"), { headers: { prefer: "wait=100" } });
    assert.is((await post(at(a, "/commands"), "go")).status, 201);
    assert.is((await (await waiting).json()).entries[0].data, "go");

    const kept: string[] = [];
    const posted: string[] = [];
    let sent = 0;
    // One after the other on each of several lines, so that the kill falls between and within.
    const line = async (instance: { url: string }) => {
      while (sent < 150) {
        const n = sent++;
        const [type, body] = n % 2 === 0
          ? ["merge-patch", { data: { [`f${n}`]: n } }]
          : ["json-patch", [{ op: "add", path: `/data/f${n}`, value: n }]];
        const headers = { "content-type": `application/${type}+json` };
        const patched = await fetch(at(instance), { method: "PATCH", headers, body: JSON.stringify(body) });
        if (patched.status === 200) kept.push(`f${n}`);
        if ((await post(at(instance, "/events"), { n })).status === 201) posted.push(`{"n":${n}}`);
        if (kept.length >= 40) a.process.kill("SIGKILL");
      }
    };
    const lines = [a, b, a, b, a, b].map((instance) => line(instance).catch(() => {}));
    await Promise.all(lines);
    assert.ok(kept.length >= 40);
    await a.stop();
    const { data } = await (await fetch(at(b))).json();
    for (const name of kept) assert.is(data[name], Number(name.slice(1)), name);
    await eventually(
      () => posted.every((json) => heard.includes(`"data":${json}}`)),
      "every event that was acknowledged",
    );
    controller.abort();
    await hearing;
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await removeKeys(url, prefix);
  }
});

faulty("while Redis is away calls are answered 503, and afterwards everything is there", async () => {
  await using redis = await startFaultyRedis(["--appendonly", "yes", "--appendfsync", "always"]);
  await using instance = await startInstance({ REDIS_URL: redis.url, ROLES: "http", LOG_LEVEL: "fatal" });
  const call = async (method: string, path: string, body?: unknown) => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const sent = body === undefined ? {} : { headers: { "content-type": type }, body: JSON.stringify(body) };
    const response = await fetch(`${instance.url}/api/${path}`, { method, ...sent });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
  assert.is((await call("PUT", "sessions/alice", { data: { n: 1 } })).status, 201);
  redis.kill();
  const calls = () =>
    Promise.all([
      call("GET", "sessions/alice"),
      call("PUT", "sessions/alice", {}),
      call("PATCH", "sessions/alice", { data: { m: 1 } }),
      call("DELETE", "sessions/alice"),
      call("GET", "sessions"),
      call("DELETE", "sessions?id=alice"),
      call("POST", "sessions/alice/events", 1),
      call("GET", "sessions/alice/events"),
      call("GET", "events/recent"),
      call("PUT", "designer/orders", {}),
      call("GET", "designer/orders"),
    ]);
  for (const { status, headers, body } of await calls()) {
    assert.is(status, 503, body);
    assert.is(headers.get("retry-after"), "1");
    assert.not.match(body, /127\.0\.0\.1|ECONN/);
  }
  await redis.restart();
  const back = await eventually(async () => {
    const read = await call("GET", "sessions/alice/data/n");
    return read.status === 200 && read;
  }, "the session is back");
  assert.is(back.body, "1");
});

test.run();
