import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { foldUntil, parseMoment } from "../../src/replay/moment.ts";
import { showState } from "../../src/execution/state.ts";
import { foldState } from "../support/fold_state.ts";
import { completedRun, logOf } from "./logs.ts";

test("parseMoment() tells entry ids, numbers of entries and times from one another", () => {
  assert.equal(parseMoment("1795274269852-2"), { entryId: "1795274269852-2" });
  assert.equal(parseMoment("1795274269852"), { entryId: "1795274269852-999999999999999" });
  assert.equal(parseMoment("0-1"), { entryId: "0-1" });
  assert.equal(parseMoment("0"), { index: 0 });
  assert.equal(parseMoment("999999999"), { index: 999_999_999 });
  assert.equal(parseMoment("2026-11-26T12:00:00.250Z"), { time: Date.UTC(2026, 10, 26, 12, 0, 0, 250) });
  assert.equal(parseMoment("2026-11-26T12:00:00+02:00"), { time: Date.UTC(2026, 10, 26, 10) });
  assert.equal(parseMoment("2026-11-26"), { time: Date.UTC(2026, 10, 26) });
  for (
    const text of ["", "-1", "1.5", "now", "1e3", "2026-13-40", "2026-11-26T25:00:00Z", "2026-11-26T12:00", "1-2-3"]
  ) {
    assert.is(parseMoment(text), undefined, text);
  }
});

test("foldUntil() gives the state of the entries up to a moment, by any way to name it", async () => {
  const events = completedRun();
  const property = fc.asyncProperty(
    fc.nat(events.length - 1),
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom("index", "entryId", "time"),
    async (index, pageSize, how) => {
      const { id, time, type } = events[index]!;
      const moment = how === "index" ? { index } : how === "time" ? { time } : { entryId: id };
      const { state, at } = await foldUntil(logOf(events, pageSize), "x", moment);
      assert.equal(showState("x", state), foldState("x", events.slice(0, index + 1)));
      assert.equal(at, { id, type, time, index });
    },
  );
  await fc.assert(property);
});

test("foldUntil() takes a moment between two entries as the one before, and one past the end as the end", async () => {
  const events = completedRun();
  assert.is((await foldUntil(logOf(events), "x", { entryId: "1002-7" })).at?.index, 2);
  assert.is((await foldUntil(logOf(events), "x", { index: 100 })).at?.index, 6);
  assert.is((await foldUntil(logOf(events), "x", { time: 1e12 })).state.status, "completed");
  assert.is((await foldUntil(logOf(events), "x")).at?.index, 6);
  const before = await foldUntil(logOf(events), "x", { time: 999 });
  assert.is(before.at, undefined);
  assert.is(before.state.version, 0);
});

test.run();
