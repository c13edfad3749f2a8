import { test } from "uvu";
import * as assert from "uvu/assert";
import { InvalidWorkflowError } from "../../src/lib/errors.ts";
import type { WorkflowStore } from "../../src/workflow/workflow_store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../../src/workflow/definition.ts";

/** A store that the test holds in its hands; `reads` counts calls of `get`. */
class FakeStore implements WorkflowStore {
  readonly versions = new Map<string, StoredWorkflow[]>();
  readonly listeners: ((id: string | undefined) => void)[] = [];
  reads = 0;

  async put(id: string, definition: WorkflowDefinition) {
    const list = this.versions.get(id) ?? [];
    const workflow = { id, version: list.length + 1, definition: JSON.parse(JSON.stringify(definition)), updatedAt: 1 };
    this.versions.set(id, [...list, workflow]);
    return await Promise.resolve({ workflow, created: list.length === 0 });
  }
  async get(id: string, version?: number) {
    this.reads++;
    const list = this.versions.get(id);
    return await Promise.resolve(version === undefined ? list?.at(-1) : list?.[version - 1]);
  }
  async keepImported() {}
  async list() {
    return await Promise.resolve([...this.versions].map(([id, list]) => ({ id, version: list.length })));
  }
  async delete(id: string) {
    return await Promise.resolve(this.versions.delete(id));
  }
  onChange(listener: (id: string | undefined) => void) {
    this.listeners.push(listener);
  }
  change(id: string | undefined) {
    for (const listener of this.listeners) listener(id);
  }
}

function setUp() {
  const store = new FakeStore();
  const errors: unknown[] = [];
  const options = { store, nodeTypes: createNodeTypes({ fetch }), onError: (error: unknown) => errors.push(error) };
  return { store, errors, options, catalog: new WorkflowCatalog(options) };
}

function hook(path: string, method = "POST", rest: object = {}) {
  return { nodes: [{ id: "hook", type: "webhook", parameters: { path, method } }], ...rest };
}

/** Lets what was set off by a change come to its end. */
async function settle() {
  await new Promise((resolve) => setTimeout(resolve, 5));
}

function matchedId(catalog: WorkflowCatalog, method: string, path: string) {
  const match = catalog.matchWebhook(method, path);
  // A second call is matched by what the first one found.
  assert.equal(catalog.matchWebhook(method, path), match);
  return match === undefined ? undefined : "allow" in match ? match.allow : [match.workflow.id, match.params];
}

test("WorkflowCatalog.put() is seen by a match at once", async () => {
  const { catalog } = setUp();
  await catalog.start();
  const { workflow, created } = await catalog.put("a", hook("orders/:id"));
  assert.is(created, true);
  assert.is(workflow.version, 1);
  assert.equal(matchedId(catalog, "POST", "orders/7"), ["a", { id: "7" }]);
  assert.equal(matchedId(catalog, "GET", "orders/7"), ["POST"]);
  assert.is(matchedId(catalog, "POST", "orders"), undefined);
  assert.is(matchedId(catalog, "POST", "orders/7/8"), undefined);
  await catalog.put("a", hook("other"));
  assert.is(matchedId(catalog, "POST", "orders/7"), undefined);
  assert.equal(matchedId(catalog, "POST", "other"), ["a", {}]);
});

test("WorkflowCatalog.matchWebhook() prefers static segments, from left to right", async () => {
  const { catalog } = setUp();
  await catalog.put("params", hook(":a/:b"));
  await catalog.put("late", hook(":a/two"));
  await catalog.put("early", hook("one/:b"));
  await catalog.put("static", hook("one/two"));
  assert.equal(matchedId(catalog, "POST", "one/two"), ["static", {}]);
  assert.equal(matchedId(catalog, "POST", "one/x"), ["early", { b: "x" }]);
  assert.equal(matchedId(catalog, "POST", "x/two"), ["late", { a: "x" }]);
  assert.equal(matchedId(catalog, "POST", "x/y"), ["params", { a: "x", b: "y" }]);
});

test("WorkflowCatalog.matchWebhook() takes a less static path for a method that the other has not", async () => {
  const { catalog } = setUp();
  await catalog.put("static", hook("one/two", "PUT"));
  await catalog.put("params", hook("one/:b", "GET"));
  assert.equal(matchedId(catalog, "GET", "one/two"), ["params", { b: "two" }]);
  assert.equal(matchedId(catalog, "POST", "one/two"), ["GET", "PUT"]);
});

test("WorkflowCatalog.matchWebhook() decodes segments, each for itself", async () => {
  const { catalog } = setUp();
  await catalog.put("a", hook("files/:name"));
  assert.equal(matchedId(catalog, "POST", "files/a%2Fb%20%C3%A9"), ["a", { name: "a/b é" }]);
  assert.equal(matchedId(catalog, "POST", "%66iles/x"), ["a", { name: "x" }]);
  assert.equal(matchedId(catalog, "POST", "files/:name"), ["a", { name: ":name" }]);
  assert.equal(matchedId(catalog, "POST", "files/*"), ["a", { name: "*" }]);
  assert.is(matchedId(catalog, "POST", "files/%zz"), undefined);
  assert.is(matchedId(catalog, "POST", "files/"), undefined);
  assert.is(matchedId(catalog, "POST", "files%2Fx"), undefined);
});

test("WorkflowCatalog.matchWebhook() passes over inactive workflows", async () => {
  const { catalog } = setUp();
  await catalog.put("a", hook("orders", "POST", { active: false }));
  assert.is(matchedId(catalog, "POST", "orders"), undefined);
  await catalog.put("a", hook("orders"));
  assert.equal(matchedId(catalog, "POST", "orders"), ["a", {}]);
});

test("WorkflowCatalog.start() loads what is stored and follows changes", async () => {
  const { store, options, catalog } = setUp();
  await new WorkflowCatalog(options).put("b", hook("b"));
  await new WorkflowCatalog(options).put("a", hook("a"));
  await catalog.start();
  assert.equal(catalog.list().map(({ id }) => id), ["a", "b"]);
  await new WorkflowCatalog(options).put("a", hook("new"));
  store.change("a");
  await settle();
  assert.equal(matchedId(catalog, "POST", "new"), ["a", {}]);
  await store.delete("b");
  await new WorkflowCatalog(options).put("c", hook("c"));
  store.change(undefined);
  await settle();
  assert.equal(catalog.list().map(({ id, version }) => [id, version]), [["a", 2], ["c", 1]]);
});

test("WorkflowCatalog.newest() gives what the store has, whether the change was heard of or not", async () => {
  const { store, options, catalog } = setUp();
  await catalog.put("a", hook("one"));
  await new WorkflowCatalog(options).put("a", hook("two"));
  assert.is((await catalog.get("a"))?.version, 1);
  assert.is((await catalog.newest("a"))?.version, 2);
  assert.is((await catalog.get("a"))?.version, 2);
  await store.delete("a");
  assert.is(await catalog.newest("a"), undefined);
});

test("WorkflowCatalog.get() gives the version asked for, and reads it once", async () => {
  const { store, options, catalog } = setUp();
  await new WorkflowCatalog(options).put("a", hook("one"));
  await new WorkflowCatalog(options).put("a", hook("two"));
  assert.is((await catalog.get("a"))?.version, 2);
  const [first, again] = await Promise.all([catalog.get("a", 1), catalog.get("a", 1)]);
  assert.is(first?.webhooks[0]?.path, "one");
  assert.is(again, first);
  const { reads } = store;
  assert.is(await catalog.get("a", 1), first);
  assert.is(store.reads, reads);
  assert.is(await catalog.get("a", 3), undefined);
  assert.is(await catalog.get("missing"), undefined);
});

test("WorkflowCatalog survives a stored definition that no longer compiles", async () => {
  const { store, errors, catalog } = setUp();
  await catalog.start();
  await catalog.put("good", hook("good"));
  await catalog.put("bad", hook("bad"));
  const definition = { ...(store.versions.get("bad")?.[0] as StoredWorkflow).definition };
  definition.nodes = [{ id: "x", type: "teleport", parameters: {}, onError: "fail" }];
  await store.put("bad", definition);
  store.change("bad");
  await settle();
  assert.is(errors.length, 1);
  // It is told once, however often it is compared with the store.
  for (const id of ["bad", undefined]) store.change(id);
  await settle();
  assert.is(errors.length, 1);
  await store.put("bad", definition);
  store.change("bad");
  await settle();
  assert.match((errors[1] as Error).message, "version 3");
  assert.equal(catalog.list().map(({ id }) => id), ["good"]);
  assert.is(matchedId(catalog, "POST", "bad"), undefined);
  assert.equal(matchedId(catalog, "POST", "good"), ["good", {}]);
  assert.is((await catalog.get("bad", 1))?.version, 1);
  await assertInvalid(catalog.get("bad"));
});

test("WorkflowCatalog starts beside a stored definition that asks to parse too much", async () => {
  const { store, errors, options, catalog: before } = setUp();
  await before.start();
  for (const id of ["a", "heavy", "z"]) await before.put(id, hook(id));
  const definition = { ...(store.versions.get("heavy")?.[0] as StoredWorkflow).definition };
  const parameters = { output: "{{a}}".repeat(180_000) };
  definition.nodes = [...definition.nodes, { id: "x", type: "transform", parameters, onError: "fail" }];
  definition.connections = [{ from: "hook", to: "x", output: "main" }];
  await store.put("heavy", definition);
  errors.length = 0;
  const catalog = new WorkflowCatalog(options);
  await catalog.start();
  assert.equal(catalog.list().map(({ id }) => id), ["a", "z"]);
  assert.match((errors[0] as Error).message, 'Cannot compile version 2 of the workflow "heavy"');
  assert.is(errors.length, 1);
  assert.equal(matchedId(catalog, "POST", "z"), ["z", {}]);
  await assertInvalid(catalog.get("heavy"));
});

async function assertInvalid(promise: Promise<unknown>) {
  const error = await promise.then(() => undefined, (reason: unknown) => reason);
  assert.instance(error, InvalidWorkflowError);
}

test("WorkflowCatalog.put() refuses a bad definition and a bad id before it stores", async () => {
  const { store, catalog } = setUp();
  await assertInvalid(catalog.put("a", { nodes: [] }));
  for (const id of ["", "-a", "a/b", "a".repeat(129), "__proto__"]) await assertInvalid(catalog.put(id, hook("a")));
  const odd = hook("a", "POST", { name: "\ud800" });
  await assertInvalid(catalog.put("a", odd));
  assert.is(store.versions.size, 0);
  // What is stored already runs on.
  await store.put("a", odd as unknown as WorkflowDefinition);
  assert.is((await catalog.get("a"))?.version, 1);
});

test("WorkflowCatalog forgets the versions of a workflow that was deleted and made again", async () => {
  const { store, options, catalog } = setUp();
  await catalog.start();
  await catalog.put("a", hook("one"));
  await catalog.put("a", hook("two"));
  await store.delete("a");
  await new WorkflowCatalog(options).put("a", hook("three"));
  (store.versions.get("a")?.[0] as StoredWorkflow).updatedAt = 2;
  store.change("a");
  await settle();
  assert.is((await catalog.get("a"))?.webhooks[0]?.path, "three");
  assert.is((await catalog.get("a", 1))?.webhooks[0]?.path, "three");
  assert.is(await catalog.get("a", 2), undefined);
});

test("WorkflowCatalog.delete() takes the webhook away at once", async () => {
  const { catalog } = setUp();
  await catalog.put("a", hook("orders"));
  assert.is(await catalog.delete("a"), true);
  assert.is(matchedId(catalog, "POST", "orders"), undefined);
  assert.equal(catalog.list(), []);
  assert.is(await catalog.delete("a"), false);
});

test.run();
