import { test } from "uvu";
import * as assert from "uvu/assert";
import { type OpenWait, OpenWaits } from "../../src/execution/open_waits.ts";

test("OpenWaits answers, when its signal aborts, those calls that were not deleted, in whatever order they went", () => {
  for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0], [0, 3], [1], []]) {
    const controller = new AbortController();
    const waits = new OpenWaits(controller.signal);
    const closed: number[] = [];
    const open: OpenWait[] = [0, 1, 2, 3].map((number) =>
      waits.add(() => {
        closed.push(number);
        // Whoever is answered goes, while the others are being answered.
        waits.delete(open[number]!);
      })
    );
    for (const number of order) waits.delete(open[number]!);
    controller.abort();
    assert.equal(closed.sort(), [0, 1, 2, 3].filter((number) => !order.includes(number)));
  }
});

test("OpenWaits answers at once who comes after its signal has aborted, and nobody without a signal", () => {
  let closed = 0;
  const late = new OpenWaits(AbortSignal.abort());
  late.delete(late.add(() => closed++));
  assert.is(closed, 1);
  const never = new OpenWaits();
  never.delete(never.add(() => closed++));
  assert.is(closed, 1);
  assert.not(never.closed);
});

test.run();
