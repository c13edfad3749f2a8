/** The feed as archivers read it, over every driver. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { drivers, openEach, requestOf } from "./drivers.ts";

/** More than what one trimming leaves of a partition's feed by its steps. */
const MANY = 250;
const { signal } = new AbortController();

for (const driver of drivers()) {
  const test = suite(`archive feed on ${driver.name}`);
  let store: Store;
  openEach(test, driver, (opened) => store = opened, { feedKeptMs: 0 });

  const request = async (count: number): Promise<string[]> => {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const made = requestOf();
      ids.push(made.executionId);
      await store.log.request(made);
    }
    return ids;
  };

  /** Takes as an assembler does until it has had so many entries, and trims behind them. */
  const assemble = async (count: number): Promise<void> => {
    let had = 0;
    await eventually(async () => {
      const entries = await store.projections.takeFeed({ count, blockMs: 100, signal });
      await store.projections.applyFeed(entries);
      had += entries.length;
      return had >= count;
    }, "the assembler has had all");
    await store.projections.sweep();
  };

  /** Takes as an archiver does until these executions came; returns the ids of all that came. */
  const archived = async (executionIds: readonly string[]): Promise<string[]> => {
    const taken: string[] = [];
    await eventually(async () => {
      const entries = await store.archiveFeed.take({ count: MANY, blockMs: 100, signal });
      await store.archiveFeed.done(entries, { archived: [] });
      taken.push(...entries.map(({ executionId }) => executionId));
      const had = new Set(taken);
      return executionIds.every((id) => had.has(id));
    }, "the archiver has had all");
    return taken;
  };

  test("hold() keeps what nobody has taken yet, however far the assemblers are", async () => {
    await store.archiveFeed.hold();
    const ids = await request(MANY);
    await assemble(MANY);
    const { entries, oldestMs, missed } = await store.archiveFeed.backlog();
    assert.equal({ entries, missed }, { entries: MANY, missed: 0 });
    assert.ok(oldestMs >= 0);
    assert.equal((await archived(ids)).sort(), ids.sort());
    assert.is((await store.archiveFeed.backlog()).entries, 0);
  });

  test("hold() again keeps what comes after the feed was lost", async () => {
    await store.archiveFeed.hold();
    await request(1);
    await assemble(1);
    await driver.clean();
    await store.archiveFeed.hold();
    const ids = await request(MANY);
    await assemble(MANY);
    await archived(ids);
  });

  test.run();
}
