/**
 * Progress documents of executions that report, or fail with, what a store may not keep: over every driver.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnavailableError } from "../../src/lib/errors.ts";
import type { Claim } from "../../src/execution/claim.ts";
import type { EventData } from "../../src/execution/event.ts";
import { Assembler } from "../../src/feed/assembler.ts";
import { rebuild } from "../../src/feed/rebuild.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, ending, openEach, requestOf, takeClaim } from "./drivers.ts";
import { rejects } from "./expectations.ts";

const workflows = { get: () => Promise.resolve(undefined) };
const LONE = { currentStep: "\ud800", data: { "x\udc00": ["\ud83d\ude00", "\\ud800", "\udbff"] } };
const SHOWN = { currentStep: "\ufffd", data: { "x\ufffd": ["\ud83d\ude00", "\\ud800", "\ufffd"] } };

for (const driver of drivers()) {
  const test = suite(`Progress documents on ${driver.name}`);
  let store: Store;
  let errors: unknown[];

  openEach(test, driver, (opened) => {
    store = opened;
    errors = [];
  });

  /** An assembler whose errors of single executions are kept. */
  const assemble = (): Assembler => {
    const assembler = new Assembler({
      ...store,
      workflows,
      onError: (error) => error instanceof UnavailableError || errors.push(error),
    });
    assembler.start();
    return assembler;
  };
  const document = (id: string) => store.projections.progress(id).then((kept) => kept?.document);
  const completed = async () =>
    (await store.projections.list({ limit: 10, status: "completed" })).executions.map(({ executionId }) => executionId);

  test("lone surrogates are U+FFFD in each document, and in what rebuild() makes", async () => {
    const assembler = assemble();
    try {
      const claim = await start(store);
      const { executionId: id } = claim;
      for (const [sequence, percent] of [[2, 10], [3, 20]] as const) {
        await report(store, claim, { sequence, percent, ...LONE });
        const found = await eventually(async () => {
          const found = await document(id);
          return found?.progress === percent && found;
        }, `the document at ${percent} %`);
        assert.equal([found.currentStep, found.data], [SHOWN.currentStep, SHOWN.data]);
      }
      const error = { code: "failed", message: "x\ud800" };
      await store.work.finish(claim, {
        sequence: 4,
        events: [{ type: "execution.failed", time: Date.now(), data: { error } }],
        result: { executionId: id, status: "failed", error },
      });
      const failed = await eventually(async () => {
        const found = await document(id);
        return found?.status === "failed" && found;
      }, "the end in the document");
      assert.is(failed.error?.message, "x\ufffd");
      for await (const _ of rebuild({ ...store, workflows, onError: (error) => errors.push(error) }));
      assert.equal(await document(id), failed);
      assert.equal(errors, []);
    } finally {
      await assembler.stop();
    }
  });

  test("a document that the store refuses stops no other, neither the assembler's nor rebuild()'s", async () => {
    const { projections } = store;
    const [bad, good] = [await start(store), await start(store)];
    let refusal: Error = new Error("refused");
    const put = projections.putProgress.bind(projections);
    projections.putProgress = async (kept, ended) => {
      if (kept.document.executionId === bad.executionId) throw refusal;
      await put(kept, ended);
    };
    const assembler = assemble();
    try {
      await eventually(async () => await document(good.executionId) !== undefined, "the other's document");
      await eventually(() => errors.length > 0, "the error");
      await report(store, bad, { sequence: 2, percent: 10 });
      for (const claim of [bad, good]) {
        await store.work.finish(claim, ending(claim, { sequence: claim === bad ? 3 : 2 }));
      }
      await eventually(async () => (await completed()).length === 2, "both ends in the list");
    } finally {
      await assembler.stop();
    }
    const heard: unknown[] = [];
    let done = 0;
    const all = { ...store, workflows, onError: (error: unknown) => heard.push(error) };
    for await (const last of rebuild(all)) done = last.done;
    assert.is(done, 2);
    assert.is((await document(good.executionId))?.status, "completed");
    assert.is(heard.length, 1);
    for (const error of [...errors, ...heard] as Error[]) {
      assert.equal([error.message.includes(bad.executionId), error.cause], [true, refusal]);
    }
    refusal = new UnavailableError("away");
    await rejects(async () => {
      for await (const _ of rebuild(all));
    }, UnavailableError);
  });

  test.run();
}

/** Begins an execution. */
async function start(store: Store): Promise<Claim> {
  const { executionId } = requestOf();
  await store.log.request(requestOf({ executionId }));
  const claim = await takeClaim(store, executionId);
  const started = { type: "execution.started", time: Date.now(), data: { epoch: 1, worker: "a" } } as const;
  await store.work.append(claim, { sequence: 1, events: [started] });
  return claim;
}

async function report(
  store: Store,
  claim: Claim,
  { sequence, ...data }: EventData["execution.progress"] & { sequence: number },
): Promise<void> {
  await store.work.append(claim, { sequence, events: [{ type: "execution.progress", time: Date.now(), data }] });
}
