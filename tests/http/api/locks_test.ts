import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Hono } from "hono";
import type { AppEnv } from "../../../src/http/frame/deps.ts";
import { json, post, withApp } from "../harness.ts";

const call = (app: Hono<AppEnv>, method: string, body: object, headers: Record<string, string> = {}) =>
  app.request("/api/locks/nightly", { ...post(body as never, headers), method });

test("POST takes a lock: 201 with token, fence and end; a second one is 423 with who holds it", async () => {
  await withApp({}, async ({ app }) => {
    const taken = await call(app, "POST", { owner: "ana" });
    assert.is(taken.status, 201);
    const grant = await json(taken);
    assert.is(taken.headers.get("lock-token"), grant.token);
    assert.is(taken.headers.get("location"), "/api/locks/nightly");
    assert.ok(grant.expiresAt - Date.now() > 290_000 && grant.expiresAt - Date.now() < 301_000);

    const refused = await call(app, "POST", { owner: "ben", waitMs: 20 });
    assert.is(refused.status, 423);
    assert.ok(Number(refused.headers.get("retry-after")) > 290);
    const problem = await json(refused);
    assert.is(problem.code, "locked");
    assert.is(problem.holder.owner, "ana");
    assert.is(problem.holder.fence, grant.fence);
    assert.ok(problem.remainingMs > 290_000 && problem.remainingMs <= 300_000);
    assert.not(JSON.stringify(problem).includes(grant.token));

    const seen = await json(await app.request("/api/locks/nightly"));
    assert.is(seen.holders[0].owner, "ana");
    assert.not(JSON.stringify(seen).includes(grant.token));
  });
});

test("PUT renews and DELETE releases by the token; with another it is 409, without one 400", async () => {
  await withApp({}, async ({ app }) => {
    const { token, fence } = await json(await call(app, "POST", { owner: "ana", ttlMs: 30_000 }));
    const renewed = await call(app, "PUT", { ttlMs: 60_000 }, { "lock-token": token });
    assert.is(renewed.status, 200);
    const { fence: same, expiresAt } = await json(renewed);
    assert.is(same, fence);
    assert.ok(expiresAt - Date.now() > 50_000);
    for (const method of ["PUT", "DELETE"]) {
      const wrong = await call(app, method, {}, { "lock-token": "another" });
      assert.is(wrong.status, 409);
      assert.is((await json(wrong)).code, "lock_not_held");
      const none = await call(app, method, {});
      assert.is(none.status, 400);
      assert.is((await json(none)).parameter, "lock-token");
    }
    const released = await app.request("/api/locks/nightly", { method: "DELETE", headers: { "lock-token": token } });
    assert.is(released.status, 204);
    assert.equal((await json(await app.request("/api/locks/nightly"))).holders, []);
    const late = await app.request("/api/locks/nightly", { method: "PUT", headers: { "lock-token": token } });
    assert.is(late.status, 409);
  });
});

test("POST waits for the release", async () => {
  await withApp({}, async ({ app, store }) => {
    const { token, fence } = await json(await call(app, "POST", { owner: "ana" }));
    const waiting = call(app, "POST", { owner: "ben", waitMs: 60_000 });
    while ((await store.locks.inspect("nightly")).waiting === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await app.request("/api/locks/nightly", { method: "DELETE", headers: { "lock-token": token } });
    const granted = await waiting;
    assert.is(granted.status, 201);
    assert.ok((await json(granted)).fence > fence);
  });
});

test("a caller who leaves gives its place back, and one who waits when the instance closes gets 503", async () => {
  await withApp({}, async ({ app, store }) => {
    await call(app, "POST", { owner: "ana" });
    const leaves = new AbortController();
    const left = app.request("/api/locks/nightly", {
      ...post({ owner: "ben", waitMs: 60_000 }),
      signal: leaves.signal,
    });
    const stays = call(app, "POST", { owner: "cleo", waitMs: 60_000 });
    const waiting = async (count: number) => {
      while ((await store.locks.inspect("nightly")).waiting !== count) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    await waiting(2);
    leaves.abort();
    await waiting(1);
    await left;
    store.replies.close("closing");
    const closed = await stays;
    assert.is(closed.status, 503);
    assert.is((await json(closed)).code, "shutting_down");
    await waiting(0);
  });
});

test("what is wrong with a request is named", async () => {
  await withApp({}, async ({ app, store }) => {
    for (
      const [body, parameter] of [
        [{}, "owner"],
        [{ owner: "" }, "owner"],
        [{ owner: "a\n" }, "owner"],
        [{ owner: "a", ttlMs: 1 }, "ttlMs"],
        [{ owner: "a", ttlMs: 1e300 }, "ttlMs"],
        [{ owner: "a", waitMs: -1 }, "waitMs"],
        [{ owner: "a", waitMs: 300_001 }, "waitMs"],
        [{ owner: "a", mode: "other" }, "mode"],
        [{ owner: "a", mode: "shared", steal: true }, "steal"],
        [{ owner: "a", other: 1 }, ""],
        [[], ""],
      ] as const
    ) {
      const response = await call(app, "POST", body);
      const problem = await json(response);
      assert.is(response.status, 400, JSON.stringify(body));
      assert.is(problem.code, "invalid_parameter");
      assert.is(problem.parameter, parameter);
    }
    for (const name of ["-a", "a%0a", "%ff", "a".repeat(257)]) {
      const response = await app.request(`/api/locks/${name}`);
      assert.ok(name === "%ff" || response.status === 400, name);
    }
    const named = await app.request(`/api/locks/${encodeURIComponent("a/b ä")}`, post({ owner: "a" }));
    assert.is(named.status, 201);
    assert.is((await store.locks.inspect("a/b ä")).holders.length, 1);
    assert.is((await app.request("/api/locks/nightly", { method: "PATCH" })).status, 405);
  });
});

test.run();
