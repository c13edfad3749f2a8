// not quick: Redis loses data
// timeout: 180
/**
 * A Redis that is set back: it forgets what it had accepted. Whoever waits for that is told within seconds, and what
 * it still has goes on.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createSubmit } from "../../../src/execution/submit.ts";
import { createApp } from "../../../src/http/app.ts";
import { loadConfig } from "../../../src/config/config.ts";
import { MillraceError } from "../../../src/lib/errors.ts";
import { ERROR_STATUS } from "../../../src/http/protocol/error_status.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import type { Store } from "../../../src/storage/store.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { webhookWorkflow } from "../../http/workflows.ts";
import { awaitReply, ending, requestOf, takeClaim } from "../drivers.ts";
import { eventually } from "../../support/eventually.ts";
import { harmfulTest, startFaultyRedis } from "../../support/faulty_redis.ts";

const faulty = await harmfulTest(test);
const AOF = ["--appendonly", "yes", "--appendfsync", "always"];
/** Far from what a caller would wait: whoever is told is told for another reason. */
const WAIT_MS = 150_000;

for (const partitions of [1, 3]) {
  faulty(
    `callers whose executions are gone hear execution_lost, the others their results, in ${partitions} partitions`,
    async () => {
      await using site = await openSite(partitions);
      const { store } = site;
      const before = await site.request();
      await site.remember();
      const after = await Promise.all(Array.from({ length: 20 }, () => site.request()));
      const posted = site.post();
      const [watched] = after;
      const waited = site.get(`/api/executions/${watched!.id}/result`, { prefer: "wait=140" });
      const followed = site.get(`/api/executions/${watched!.id}/events`, { accept: "text/event-stream" });
      const history = (await followed).text();
      await eventually(async () => await site.count() === 22, "all are appended");
      await eventually(() => site.followers() === 2, "the log is followed");
      await site.rewind();
      for (const { id, reply } of after) {
        const error = await reply.then(() => undefined, (error) => error);
        assert.instance(error, MillraceError);
        assert.equal([error.code, ERROR_STATUS[error.code as keyof typeof ERROR_STATUS], error.options.extensions], [
          "execution_lost",
          503,
          {
            executionId: id,
          },
        ]);
        assert.is(error.options.headers["retry-after"], "1");
      }
      for (const response of [await posted, await waited]) {
        assert.is(response.status, 503);
        const problem = await response.json();
        assert.is(problem.code, "execution_lost");
        assert.type(problem.executionId, "string");
      }
      assert.match(await history, /execution\.requested/);
      const claim = await takeClaim(store, before.id);
      await store.work.finish(claim, ending(claim));
      assert.is((await before.reply).status, "completed");
      assert.is(store.replies.size, 0);
    },
  );
}

faulty("a Redis that forgets behind the same link is found out as well", async () => {
  await using site = await openSite(1);
  const { id, reply } = await site.request();
  const kept = await site.request();
  const { id: link } = site.control;
  await site.control.send(["DEL", `mr:{0}:meta:${id}`, `mr:{0}:log:${id}`]);
  assert.is((await reply.then(() => undefined, (error) => error)).code, "execution_lost");
  assert.is(site.control.id, link);
  assert.is(site.store.replies.size, 1);
  const claim = await takeClaim(site.store, kept.id);
  await site.store.work.finish(claim, ending(claim));
  assert.is((await kept.reply).status, "completed");
});

faulty("a caller whose request has not been appended yet is not told that it is lost", async () => {
  await using site = await openSite(1);
  const request = requestOf({ replyTo: "a" });
  const reply = awaitReply(site.store, request.executionId, { signal: AbortSignal.timeout(WAIT_MS) });
  reply.catch(() => {});
  // Whoever was appended later has been looked for since, and found to be gone.
  const other = await site.request();
  await site.control.send(["DEL", `mr:{0}:meta:${other.id}`]);
  assert.is((await other.reply.then(() => undefined, (error) => error)).code, "execution_lost");
  await site.store.log.request(request);
  const claim = await takeClaim(site.store, request.executionId);
  await site.store.work.finish(claim, ending(claim));
  assert.is((await reply).status, "completed");
});

test.run();

async function openSite(partitions: number) {
  const redis = await startFaultyRedis(AOF);
  const errors: unknown[] = [];
  const store: Store = await openRedisStore({
    url: redis.url,
    instance: "a",
    partitions,
    onError: (error) => void errors.push(error),
  });
  const control = await RedisConnection.open({ url: redis.url });
  const [, dir = ""] = await control.send<string[]>(["CONFIG", "GET", "dir"]);
  const [files, aside] = [join(dir, "appendonlydir"), join(dir, "aside")];
  const workflow = webhookWorkflow({ timeoutSeconds: WAIT_MS / 1000 });
  const app = createApp({
    config: loadConfig({}, { instance: "a" }),
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: 60 }),
    catalog: {
      get: () => Promise.resolve(workflow),
      matchWebhook: () => ({ workflow, webhook: workflow.webhooks[0], params: {} }),
    } as never,
    logger: { debug() {}, info() {}, warn() {}, error: (fields) => void errors.push(fields) },
    ready: () => true,
    info: { version: "0.0.0" },
  });
  const tail = store.log.tail.bind(store.log);
  let followers = 0;
  store.log.tail = async function* (...args) {
    // Whoever has read what there is asks for what comes after it.
    let isFirst = args[1].after === undefined;
    if (!isFirst) followers++;
    for await (const event of tail(...args)) {
      yield event;
      if (isFirst) followers++;
      isFirst = false;
    }
  };
  return {
    store,
    control,
    /** How many have read what a log has, and wait for more. */
    followers: () => followers,
    request: async () => {
      const request = requestOf({ replyTo: "a" });
      const signal = AbortSignal.timeout(WAIT_MS);
      const reply = awaitReply(store, request.executionId, { signal });
      reply.catch(() => {});
      await store.log.request(request);
      return { id: request.executionId, reply };
    },
    post: () => app.request("http://localhost/webhook/orders", { method: "POST" }),
    get: async (path: string, headers: Record<string, string>) =>
      await app.request(`http://localhost${path}`, { headers }),
    count: async () => {
      const names = Array.from({ length: partitions }, (_, partition) => `mr:{${partition}}:work`);
      const lengths = await Promise.all(names.map((name) => control.send<number>(["XLEN", name])));
      return lengths.reduce((sum, length) => sum + length, 0);
    },
    remember: () => cp(files, aside, { recursive: true }),
    rewind: async () => {
      redis.kill();
      await eventually(() => !control.ready, "it is gone");
      await rm(files, { recursive: true });
      await cp(aside, files, { recursive: true });
      await redis.restart();
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      control.close();
      await redis[Symbol.asyncDispose]();
    },
  };
}
