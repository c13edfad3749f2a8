/** When the archiver turns to its feed, and what it takes from a store, with an archive that the test controls. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Archive } from "../../src/feed/archive.ts";
import type { ArchiveFeed } from "../../src/feed/archive_feed.ts";
import { Archiver } from "../../src/feed/archiver.ts";
import type { Store } from "../../src/storage/store.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../../src/workflow/definition.ts";
import { drivers, ending, requestOf, takeClaim } from "../storage/drivers.ts";
import { eventually } from "../support/eventually.ts";

const unused = (): never => {
  throw new Error("not expected");
};

test("Archiver holds the feed before it waits for the archive, and again whenever that is away", async () => {
  const seen: string[] = [];
  const answers = [false, false, true, true, false, true];
  const feed: ArchiveFeed = {
    hold: () => Promise.resolve(void seen.push("hold")),
    take: () => {
      seen.push("take");
      return Promise.resolve([]);
    },
    again: unused,
    done: unused,
    backlog: unused,
  };
  const whenReady: Archive["whenReady"] = () => {
    const isReady = answers.shift() ?? true;
    seen.push(isReady ? "ready" : "away");
    return new Promise((resolve) => setTimeout(resolve, 0, isReady));
  };
  const archiver = new Archiver({
    feed,
    archive: { whenReady } as Archive,
    log: { pages: unused },
    workflows: { get: unused },
    onError: unused,
  });
  const expected = "hold away hold away hold ready take ready take away hold ready take".split(" ");
  archiver.start();
  try {
    await eventually(() => seen.length >= expected.length, "it has gone on");
  } finally {
    await archiver.stop();
  }
  assert.equal(seen.slice(0, expected.length), expected);
});

/** A definition whose executions are saved. */
function definitionOf(name: string, nodes: WorkflowDefinition["nodes"] = []): WorkflowDefinition {
  const settings = { saveExecutionToDatabase: true, timeoutSeconds: 300, resultTtlSeconds: 60 };
  return { name, active: true, settings, nodes, connections: [] };
}

/** Stores a definition, and runs an execution of it to its end; its id. */
async function endOne(store: Store, workflowId: string, definition: WorkflowDefinition): Promise<string> {
  await store.workflows.put(workflowId, definition, { routes: [] });
  const { executionId } = await store.log.request(requestOf({ workflowId }));
  const claim = await takeClaim(store, executionId);
  await store.work.finish(claim, ending(claim));
  return executionId;
}

for (const driver of drivers()) {
  test(`Archiver that is stopped takes no more of a batch, on ${driver.name}, however much is left`, async () => {
    await using store = await driver.open("a");
    await endOne(store, "orders", definitionOf("orders"));
    let [stopped, taken]: [Promise<void> | undefined, number] = [undefined, 0];
    const archiver = new Archiver({
      feed: store.archiveFeed,
      archive: {
        whenReady: () => Promise.resolve(true),
        storeWorkflow: () => Promise.resolve(),
        store: async (_, chunks) => {
          stopped = archiver.stop();
          for await (const { executions } of chunks) taken += executions.length;
        },
      } as Pick<Archive, "whenReady" | "storeWorkflow" | "store"> as Archive,
      log: store.log,
      workflows: store.workflows,
    });
    archiver.start();
    try {
      await eventually(() => stopped !== undefined, "it stores");
      await stopped;
    } finally {
      await driver.clean();
    }
    assert.is(taken, 0);
  });

  test(`Archiver saves, on ${driver.name}, what ran a version that this release does not take, and what comes with it`, async () => {
    await using store = await driver.open("a");
    const nodes = [{
      id: "hook",
      type: "novel",
      parameters: { responseMode: "responseNode" },
      onError: "fail" as const,
    }];
    const definition = definitionOf("novel", nodes);
    const ids: string[] = [];
    for (const workflowId of ["novel", "orders"]) ids.push(await endOne(store, workflowId, definition));
    const versions: StoredWorkflow[] = [];
    const archived = new Set<string>();
    const archiver = new Archiver({
      feed: store.archiveFeed,
      archive: {
        whenReady: () => Promise.resolve(true),
        storeWorkflow: (workflow) => Promise.resolve(void versions.push(workflow)),
        store: async (_, chunks) => {
          for await (const { executions } of chunks) {
            for (const { executionId } of executions) archived.add(executionId);
          }
        },
      } as Pick<Archive, "whenReady" | "storeWorkflow" | "store"> as Archive,
      log: store.log,
      workflows: store.workflows,
    });
    archiver.start();
    try {
      await eventually(() => ids.every((id) => archived.has(id)), "both are archived");
    } finally {
      await archiver.stop();
      await driver.clean();
    }
    const stored = versions.map(({ id, version, definition }) => ({ id, version, definition }));
    assert.equal(stored.sort((a, b) => a.id < b.id ? -1 : 1), [
      { id: "novel", version: 1, definition },
      { id: "orders", version: 1, definition },
    ]);
    assert.equal(archiver.counts, { lost: 0, refused: 0 });
  });
}

test.run();
