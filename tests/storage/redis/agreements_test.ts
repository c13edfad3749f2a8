/**
 * What all instances of one Redis do alike: they go on as the first one began, whatever the server has by now.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Sessions } from "../../../src/sessions/sessions.ts";
import { hasRedisJson } from "../../../src/storage/redis/connection/documents.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import type { Store } from "../../../src/storage/store.ts";
import type { WorkflowDefinition } from "../../../src/workflow/definition.ts";
import { eventually } from "../../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const DEFINITION: WorkflowDefinition = {
  name: "Orders",
  active: true,
  settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
  nodes: [{ id: "start", type: "manual", parameters: {}, onError: "fail" }],
  connections: [],
};

for (const { name, url } of redisVariants()) {
  test(`documents that began as strings stay strings, and are read, on ${name}`, async () => {
    await using site = await openSite(url);
    await site.agree("strings");
    // The second begins as old data does, from before kinds were agreed on; the third finds what that wrote.
    for (const before of [() => {}, () => site.forget(), () => {}]) {
      await before();
      await using store = await site.open();
      assert.is(store.documents, "strings");
      assert.is(await site.agreed(), "strings");
      await keepAll(store);
      assert.equal(await site.types(), ["string", "string", "string"]);
    }
  });

  test(`documents are of the server's own kind where there are none, and stay so without a word about it, on ${name}`, async () => {
    await using site = await openSite(url);
    const own = await hasRedisJson(site.commands) ? "RedisJSON" : "strings";
    for (let starts = 0; starts < 2; starts++) {
      await using store = await site.open();
      assert.is(store.documents, own);
      await keepAll(store);
      assert.equal(await site.types(), Array(3).fill(own === "strings" ? "string" : "ReJSON-RL"));
      await site.forget();
    }
    // A definition that is listed and not there says nothing.
    await site.commands.send(["HSET", site.keys.workflows(), "gone", "1"]);
    await site.commands.send(["DEL", site.keys.workflow("orders")]);
    await using _ = await site.open();
    assert.is(await site.agreed(), own);
  });

  test(`an instance that comes back to an empty Redis says again of which kind its documents are, on ${name}`, async () => {
    await using site = await openSite(url);
    await site.agree("strings");
    await using store = await site.open();
    await removeKeys(url, site.prefix);
    await site.cut();
    assert.is(await eventually(async () => await site.agreed() ?? undefined, "it is said"), "strings");
    await eventually(() => store.ready().ready, "it is ready");
    await keepAll(store);
    await site.agree("another");
    await site.cut();
    await eventually(() => site.errors.some((error) => /uses strings: start it again/.test(error)), "it is told");
  });

  test(`an instance whose Redis has no RedisJSON for the documents refuses to start, saying what to do, on ${name}`, async () => {
    await using site = await openSite(url);
    if (await hasRedisJson(site.commands)) return;
    await site.agree("RedisJSON");
    const error = await site.open().then((store) => store[Symbol.asyncDispose](), (error) => error);
    assert.match(String(error), /^Error: its documents are RedisJSON, which it does not have: load .* REDIS_PREFIX$/);
  });
}

test.run();

async function openSite(url: string) {
  const prefix = uniquePrefix();
  const keys = new Keys({ prefix });
  const commands = await RedisConnection.open({ url });
  const errors: string[] = [];
  const instance = `kinds-${prefix}`;
  return {
    prefix,
    keys,
    commands,
    errors,
    open: () => openRedisStore({ url, prefix, instance, onError: (error) => void errors.push(String(error)) }),
    agreed: () => commands.send<string | null>(["GET", keys.agreed("documents")]),
    agree: (on: string) => commands.send(["SET", keys.agreed("documents"), on]),
    forget: () => commands.send(["DEL", keys.agreed("documents")]),
    /** Redis's types of what {@linkcode keepAll} writes. */
    types: () =>
      Promise.all(
        [keys.workflow("orders"), keys.session("alice"), keys.designer("orders")].map((key) =>
          commands.send(["TYPE", key])
        ),
      ),
    /** Cuts the instance's own links: others use this Redis too. */
    cut: async () => {
      const links = (await commands.send<string>(["CLIENT", "LIST"])).split("\n");
      for (const link of links.filter((line) => line.includes(` name=millrace:${instance}:commands `))) {
        await commands.send(["CLIENT", "KILL", "ID", /^id=(\d+)/.exec(link)![1]!]);
      }
    },
    [Symbol.asyncDispose]: async () => {
      commands.close();
      await removeKeys(url, prefix);
    },
  };
}

/** Writes a definition, a session and a state of the designer, or writes over them, and reads them. */
async function keepAll({ workflows, sessions, designer }: Store): Promise<void> {
  const definition = { ...DEFINITION, name: crypto.randomUUID() };
  await workflows.put("orders", definition, { routes: [] });
  assert.equal((await workflows.get("orders"))?.definition, definition);
  const alice = new Sessions({ store: sessions });
  await alice.put("alice", { data: { a: 1 } });
  assert.equal((await alice.merge("alice", { data: { b: 2 } })).data, { a: 1, b: 2 });
  await designer.write("orders", { json: "1", ttlMs: 60_000, sealed: "" }, undefined);
  assert.is((await designer.read("orders"))?.data, 1);
}
