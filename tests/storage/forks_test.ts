/**
 * The contract of the links between executions and their forks, and forks themselves, over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import { MAX_FORKS } from "../../src/execution/forks.ts";
import type { Store } from "../../src/storage/store.ts";
import { json, post } from "../http/harness.ts";
import { chain, openWholeApp } from "../http/whole_app.ts";
import { drivers, openEach, requestOf } from "./drivers.ts";

const LARGE = "z".repeat(40_000);

for (const driver of drivers()) {
  const test = suite(`Forks on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  const requested = async () => {
    const request = requestOf();
    await store.log.request(request);
    return request.executionId;
  };

  test("link() links both ways, once, and lists forks in their order", async () => {
    const [of, other] = [await requested(), await requested()];
    const forks = [await requested(), await requested()];
    for (const fork of [forks[1]!, forks[0]!, forks[0]!]) await store.forks.link({ of, fork }, { ttlSeconds: 60 });
    assert.equal(await store.forks.list(of), forks);
    assert.equal(await store.forks.list(other), []);
    assert.is((await store.log.meta(forks[0]!))!.forkOf, of);
    assert.is((await store.log.meta(of))!.forkOf, undefined);
  });

  test("link() changes nothing of executions that are unknown", async () => {
    const [of, unknown] = [await requested(), uuidv7()];
    await store.forks.link({ of: unknown, fork: of }, { ttlSeconds: 60 });
    await store.forks.link({ of, fork: unknown }, { ttlSeconds: 60 });
    assert.equal(await store.forks.list(unknown), []);
    assert.is(await store.log.meta(unknown), undefined);
  });

  test("link() keeps the newest forks only", async () => {
    const of = await requested();
    const ids = Array.from({ length: MAX_FORKS + 3 }, () => uuidv7());
    await Promise.all(ids.map((fork) => store.forks.link({ of, fork }, { ttlSeconds: 60 })));
    assert.equal(await store.forks.list(of), ids.slice(3));
  });

  test("a fork in a stub takes values past 32 KB from the record, and is listed with what it is a fork of", async () => {
    let calls = 0;
    const fetch = () => Promise.resolve(Response.json({ calls: ++calls, text: LARGE }));
    await using whole = await openWholeApp({ store, fetch });
    await whole.catalog.put(
      "orders",
      chain("orders", [
        { id: "call", type: "httpRequest", parameters: { url: "http://x.test/" } },
        { id: "cut", type: "transform", parameters: { output: { at: "{{ $millis() }}", text: "{{ body.text }}" } } },
      ]),
    );
    const first = await whole.app.request("/webhook/orders", post({ text: LARGE }));
    const of = first.headers.get("execution-id")!;
    const output = await json(first);
    for (const from of [undefined, "cut"]) {
      const path = `/api/executions/${of}/replay`;
      const body = { ...(from && { from }), mode: "stub", workflow: "recorded" };
      const response = await whole.app.request(path, post(body, { prefer: "wait=60" }));
      assert.equal((await json(response)).output, output);
      const id = response.headers.get("execution-id")!;
      assert.is((await store.log.meta(id))!.forkOf, of);
      const [requested] = await store.log.read(id, { limit: 1 });
      assert.is((requested!.data as { input: { body: { text: string } } }).input.body.text, LARGE);
    }
    assert.is(calls, 1);
    assert.is((await store.forks.list(of)).length, 2);
  });

  test.run();
}
