import { test } from "uvu";
import * as assert from "uvu/assert";
import { getEventListeners } from "node:events";
import { pause, unlessAborted, waitFor } from "../../src/lib/delay.ts";

/** Where waiters are entered. */
function place() {
  const waiting = new Set<() => void>();
  const enter = (done: () => void) => {
    waiting.add(done);
    return () => void waiting.delete(done);
  };
  return { waiting, enter };
}

test("waitFor() ends by its callback, its signal or its time, and leaves nothing behind", async () => {
  for (const by of ["callback", "signal", "time"] as const) {
    const { waiting, enter } = place();
    const abort = new AbortController();
    const wait = waitFor(enter, { signal: abort.signal, ...(by === "time" && { timeoutMs: 1 }) });
    assert.is(waiting.size, 1);
    if (by === "callback") { for (const done of waiting) done(); }
    if (by === "signal") abort.abort();
    await wait;
    assert.is(waiting.size, 0, by);
    assert.is(getEventListeners(abort.signal, "abort").length, 0, by);
  }
});

test("waitFor() does not begin when its signal has aborted", async () => {
  const { waiting, enter } = place();
  await waitFor(enter, { signal: AbortSignal.abort() });
  assert.is(waiting.size, 0);
});

test("pause() waits on when it is asked for longer than a timer can", async () => {
  const abort = new AbortController();
  let isOver = false;
  const wait = pause(2 ** 40, abort.signal).then(() => isOver = true);
  await pause(5);
  assert.not(isOver);
  abort.abort();
  await wait;
});

test("unlessAborted() settles as its work does, or with the signal's reason first, and leaves nothing behind", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  assert.is(await unlessAborted(signal, () => Promise.resolve(7)), 7);
  const failure = await unlessAborted(signal, () => Promise.reject(new Error("broken"))).catch((error) =>
    error.message
  );
  assert.is(failure, "broken");
  assert.is(getEventListeners(signal, "abort").length, 0);

  const reason = new Error("gone");
  let fail = (_error: Error) => {};
  const work = new Promise<never>((_resolve, reject) => fail = reject);
  const aborted = unlessAborted(signal, () => work).catch((error) => error);
  abort.abort(reason);
  assert.is(await aborted, reason);
  // Nobody hears of it any more, and it is no unhandled rejection.
  fail(new Error("too late"));
  await pause(1);
  assert.is(getEventListeners(signal, "abort").length, 0);

  let begun = false;
  const refused = unlessAborted(signal, () => Promise.resolve(begun = true)).catch((error) => error);
  assert.is(await refused, reason);
  assert.not(begun);
});

test.run();
