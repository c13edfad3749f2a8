/**
 * The contract of the workflow store, over every driver.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../src/storage/store.ts";
import type { WebhookRoute } from "../../src/workflow/workflow_store.ts";
import type { WorkflowDefinition } from "../../src/workflow/definition.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openEach } from "./drivers.ts";
import { refuses } from "./expectations.ts";

const definition: WorkflowDefinition = {
  name: "Orders",
  active: true,
  settings: { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 },
  nodes: [{ id: "hook", type: "webhook", parameters: { path: "orders" }, onError: "fail" }],
  connections: [],
};
const route: WebhookRoute = { method: "POST", shape: "orders", pointer: "/nodes/0/parameters/path" };

/** Whether a request exists that both match, by trying all that could tell them apart. */
function compete(a: WebhookRoute, b: WebhookRoute): boolean {
  const methods = (method: string) => method === "GET" ? ["GET", "HEAD"] : [method];
  if (!methods(a.method).some((method) => methods(b.method).includes(method))) return false;
  const words = ["a", "b", "z"];
  const one = words.map((word) => [word]);
  const two = one.flatMap((path) => words.map((word) => [...path, word]));
  const three = two.flatMap((path) => words.map((word) => [...path, word]));
  const matches = ({ shape }: WebhookRoute, path: string[]) => {
    const segments = shape.split("/");
    return segments.length === path.length && segments.every((it, at) => it === ":" || it === path[at]);
  };
  return [...one, ...two, ...three].some((path) => matches(a, path) && matches(b, path));
}

for (const driver of drivers()) {
  const test = suite(`WorkflowStore on ${driver.name}`);
  let store: Store;

  openEach(test, driver, (opened) => store = opened);

  test("put() counts versions, keeps the older ones, and makes none for the same definition", async () => {
    const first = await store.workflows.put("orders", definition, { routes: [route] });
    const same = await store.workflows.put("orders", definition, { routes: [route] });
    const second = await store.workflows.put("orders", { ...definition, name: "More" }, { routes: [route] });
    assert.equal([first.created, first.workflow.version], [true, 1]);
    assert.equal([same.created, same.workflow.version], [false, 1]);
    assert.equal([second.created, second.workflow.version], [false, 2]);
    assert.is((await store.workflows.get("orders"))?.definition.name, "More");
    assert.equal((await store.workflows.get("orders", 1))?.definition, definition);
    assert.is(await store.workflows.get("orders", 3), undefined);
    assert.equal(await store.workflows.list(), [{ id: "orders", version: 2 }]);
  });

  test("get() still knows the first version after 150 others, as long as one of its executions may live", async () => {
    for (let n = 0; n <= 150; n++) {
      await store.workflows.put("orders", { ...definition, name: `n${n}` }, { routes: [] });
    }
    for (const version of [1, 50, 51, 150, 151]) {
      assert.is((await store.workflows.get("orders", version))?.definition.name, `n${version - 1}`);
    }
  });

  test("put() holds If-Match and If-None-Match", async () => {
    await refuses(() => store.workflows.put("orders", definition, { routes: [], ifMatch: "*" }), "version_mismatch");
    await store.workflows.put("orders", definition, { routes: [] });
    await refuses(
      () => store.workflows.put("orders", definition, { routes: [], ifNoneMatch: "*" }),
      "version_mismatch",
    );
    await refuses(() => store.workflows.put("orders", definition, { routes: [], ifMatch: 7 }), "version_mismatch");
    const changed = await store.workflows.put("orders", { ...definition, name: "x" }, { routes: [], ifMatch: 1 });
    assert.is(changed.workflow.version, 2);
  });

  test("put() refuses a webhook path that another workflow has, until that one gives it up", async () => {
    await store.workflows.put("one", definition, { routes: [route] });
    const error = await refuses(
      () => store.workflows.put("two", definition, { routes: [route] }),
      "webhook_path_taken",
    );
    assert.match(JSON.stringify(error.options.extensions), /"pointer":"\/nodes\/0\/parameters\/path".*one/);
    assert.is(await store.workflows.get("two"), undefined);
    await store.workflows.put("two", definition, { routes: [{ ...route, method: "GET" }] });
    await store.workflows.put("one", { ...definition, name: "moved" }, { routes: [{ ...route, shape: "moved" }] });
    await store.workflows.put("two", { ...definition, name: "taken" }, { routes: [route] });
  });

  test("put() refuses a path that matches a request which another workflow's path matches, and no other", async () => {
    const segment = fc.constantFrom("a", "b", ":");
    const shape = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join("/"));
    const method = fc.constantFrom("GET", "HEAD", "POST");
    const routes = fc.array(fc.record({ method, shape, pointer: fc.constant("/x") }), { minLength: 1, maxLength: 3 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(routes, { minLength: 2, maxLength: 6 }), async (all) => {
        run++;
        const stored = new Map<string, readonly WebhookRoute[]>();
        for (const [index, routes] of all.entries()) {
          const id = `w${run}-${index}`;
          const taken = routes.filter((route) => [...stored.values()].flat().some((other) => compete(route, other)));
          const put = () => store.workflows.put(id, definition, { routes });
          if (taken.length === 0) {
            await put();
            stored.set(id, routes);
          } else {
            const error = await refuses(put, "webhook_path_taken");
            assert.is((error.options.extensions!["errors"] as unknown[]).length, taken.length);
            assert.is(await store.workflows.get(id), undefined);
          }
        }
        for (const id of stored.keys()) await store.workflows.delete(id);
      }),
      { numRuns: 40 },
    );
  });

  test("put() lets a workflow's own paths match the same requests, and keeps what is stored already", async () => {
    const own = [":/b", "x/:", "x/b"].map((shape) => ({ ...route, shape }));
    await store.workflows.put("one", definition, { routes: own });
    const changed = await store.workflows.put("one", { ...definition, name: "n" }, { routes: own });
    assert.is(changed.workflow.version, 2);
    const same = await store.workflows.put("one", { ...definition, name: "n" }, { routes: own });
    assert.is(same.workflow.version, 2);
  });

  test("put() of ten writers at once lets one have a path, in whatever way it is spelled", async () => {
    const shapes = ["a/b", ":/b", "a/:", ":/:", "a/b", ":/b", "a/:", ":/:", "a/b", ":/b"];
    const puts = shapes.map((shape, n) => store.workflows.put(`w${n}`, definition, { routes: [{ ...route, shape }] }));
    const stored = (await Promise.allSettled(puts)).filter(({ status }) => status === "fulfilled");
    assert.is(stored.length, 1);
  });

  test("put() of ten writers at once gives gives each its own version", async () => {
    const puts = Array.from(
      { length: 10 },
      (_, n) => store.workflows.put("orders", { ...definition, name: `n${n}` }, { routes: [] }),
    );
    const versions = (await Promise.all(puts)).map(({ workflow }) => workflow.version);
    assert.equal(versions.sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("put() of what the store cannot keep has done nothing, for a new workflow and for one that is there", async () => {
    // Nothing checks it here: RedisJSON takes no lone surrogate, strings and memory do.
    const odd = { ...definition, name: "\ud800" };
    const isKept = () => store.workflows.put("orders", odd, { routes: [route] }).then(() => true, () => false);
    const listed = async () => {
      const all = await store.workflows.list();
      for (const { id, version } of all) assert.is((await store.workflows.get(id))?.version, version);
      return all.map(({ id, version }) => `${id} ${version}`);
    };
    const first = await isKept();
    assert.equal(await listed(), first ? ["orders 1"] : []);
    if (!first) await store.workflows.put("thief", definition, { routes: [route] });
    await store.workflows.delete(first ? "orders" : "thief");
    const { workflow: { version } } = await store.workflows.put("orders", definition, { routes: [] });
    assert.equal(await listed(), [`orders ${version}`]);
    const second = await isKept();
    assert.equal(await listed(), [`orders ${second ? version + 1 : version}`]);
    const { workflow } = await store.workflows.put("orders", { ...definition, name: "n" }, { routes: [route] });
    assert.equal(await listed(), [`orders ${workflow.version}`]);
    assert.is(await store.workflows.delete("orders"), true);
  });

  test("delete() frees id and path, and its version number is not used again", async () => {
    assert.is(await store.workflows.delete("orders"), false);
    await store.workflows.put("orders", definition, { routes: [route] });
    await refuses(() => store.workflows.delete("orders", { ifMatch: 9 }), "version_mismatch");
    assert.is(await store.workflows.delete("orders", { ifMatch: 1 }), true);
    assert.is(await store.workflows.get("orders"), undefined);
    assert.equal(await store.workflows.list(), []);
    assert.equal((await store.workflows.get("orders", 1))?.definition, definition);
    const again = await store.workflows.put("other", definition, { routes: [route] });
    assert.is(again.created, true);
    const back = await store.workflows.put("orders", definition, { routes: [] });
    assert.equal([back.created, back.workflow.version], [true, 2]);
  });

  if (driver.isShared) {
    test("onChange() hears what another instance changed", async () => {
      await using other = await driver.open("other");
      const heard: (string | undefined)[] = [];
      other.workflows.onChange((id) => heard.push(id));
      await store.workflows.put("orders", definition, { routes: [] });
      await eventually(() => Promise.resolve(heard.includes("orders")), "the change of orders");
    });

    test("onChange() says now and then that any may have changed, whatever it was told", async () => {
      await using other = await driver.open("other", { sweepMs: 20 });
      const heard: (string | undefined)[] = [];
      other.workflows.onChange((id) => heard.push(id));
      await eventually(() => heard.length >= 2, "two looks");
      assert.ok(heard.every((id) => id === undefined));
    });
  }

  test.run();
}
