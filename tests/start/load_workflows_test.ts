/**
 * What `WORKFLOWS_DIR` holds, and what has become of its workflows since.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError } from "../../src/config/config.ts";
import { UnavailableError } from "../../src/lib/errors.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { loadWorkflows } from "../../src/start/load_workflows.ts";
import { StartError } from "../../src/start/stores.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";

const hook = (path: string) => ({ nodes: [{ id: "hook", type: "webhook", parameters: { path } }] });

/** Loads a folder with these files into a catalog; what was logged. */
async function load(catalog: Pick<WorkflowCatalog, "put">, files: Record<string, string>): Promise<unknown[]> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-load-"));
  const logged: unknown[] = [];
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    await loadWorkflows(directory, { catalog, logger: { warn: (line: unknown) => void logged.push(line) } });
  } finally {
    await rm(directory, { recursive: true });
  }
  return logged;
}

async function withCatalog(work: (catalog: WorkflowCatalog) => Promise<void>): Promise<void> {
  await using store = createMemoryStore({ instance: "a" });
  const catalog = new WorkflowCatalog({ store: store.workflows, nodeTypes: createNodeTypes({ fetch }) });
  await catalog.start();
  await work(catalog);
}

const refused = (loading: Promise<unknown>) => loading.then(() => undefined, (error: unknown) => error as Error);

test("each <id>.json is stored, once, and what is no definition is refused by its file's name", () =>
  withCatalog(async (catalog) => {
    const files = { "a.json": JSON.stringify(hook("a")), "b.json": JSON.stringify(hook("b")), "notes.txt": "{" };
    for (let n = 0; n < 2; n++) assert.equal(await load(catalog, files), []);
    assert.equal(catalog.list().map(({ id, version }) => [id, version]), [["a", 1], ["b", 1]]);
    for (const text of ["{", "{}", JSON.stringify(hook("a"))]) {
      const error = await refused(load(catalog, { ...files, "c.json": text }));
      assert.instance(error, ConfigError);
      assert.match(error!.message, /^WORKFLOWS_DIR holds \S+c\.json, which is refused: ./);
    }
  }));

test("a definition whose path another workflow has taken since is left out, and the rest is stored", () =>
  withCatalog(async (catalog) => {
    await catalog.put("mine", hook("a"));
    const logged = await load(catalog, { "a.json": JSON.stringify(hook("a")), "b.json": JSON.stringify(hook("b")) });
    assert.is(logged.length, 1);
    assert.match((logged[0] as { path: string }).path, /a\.json$/);
    assert.equal(catalog.list().map(({ id }) => id), ["b", "mine"]);
  }));

test("a store that does not answer is no fault of the folder", async () => {
  const away = new UnavailableError("Redis is away", { mayHaveHappened: false });
  const error = await refused(load({ put: () => Promise.reject(away) }, { "a.json": "{}" }));
  assert.instance(error, StartError);
  assert.match(error!.message, /^Cannot store \S+a\.json: Redis is away/);
});

test.run();
