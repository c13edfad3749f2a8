/**
 * Long polls for work, when the store fails, callers go, or too many come.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FollowedEntry } from "../../../src/feed/projections.ts";
import { Arrivals } from "../../../src/http/api/arrivals.ts";
import { pause, waitFor } from "../../../src/lib/delay.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { refuses } from "../../storage/expectations.ts";
import { eventually } from "../../support/eventually.ts";

const MOST = 1000;

const wants = (workflowId: string) => workflowId === "wanted";

/** Polls of a store in which nothing happens but what the test says, and how many follow its feed. */
function open() {
  const store = createMemoryStore({ instance: "test", maxWaiters: 100 });
  let followers = 0;
  /** What nobody has read yet. */
  const unread: FollowedEntry[] = [];
  let wake = () => {};
  store.projections.followFeed = async function* ({ signal }) {
    followers++;
    try {
      yield { mark: "at", cursor: "0-0" };
      while (!signal.aborted) {
        while (unread.length > 0) yield unread.shift()!;
        await waitFor((done) => {
          wake = done;
          return () => {};
        }, { signal });
      }
    } finally {
      followers--;
    }
  };
  const append = (workflowId: string, type = "execution.requested") => {
    const at = { id: "1-0", cursor: "1-0", partition: 0, first: "1-0", last: "1-0" };
    unread.push({ ...at, executionId: "1", workflowId, version: 1, types: [type] });
    wake();
  };
  const log = () => {};
  const arrivals = new Arrivals({ store, logger: { debug: log, info: log, warn: log, error: log } });
  return {
    arrivals,
    followers: () => followers,
    append,
    unread: () => unread.length,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

test("take() gives up its place, and the feed, when the store fails", async () => {
  await using opened = open();
  const { arrivals, followers } = opened;
  const options = { waitMs: 600_000, signal: new AbortController().signal, wants };
  for (let n = 0; n <= MOST; n++) {
    const error = await arrivals.take(() => Promise.reject(new Error("away")), options).catch((error) => error);
    assert.is(error.message, "away");
  }
  await eventually(() => followers() === 0, "no follower");
  assert.equal(await arrivals.take(() => Promise.resolve([1]), options), [1]);
});

test("take() takes nothing for a caller that has gone while it waited", async () => {
  await using opened = open();
  const gone = new AbortController();
  let asked = 0;
  const take = () => {
    asked++;
    return Promise.resolve(gone.signal.aborted ? ["work"] : []);
  };
  const taking = opened.arrivals.take(take, { waitMs: 600_000, signal: gone.signal, wants });
  await eventually(() => asked > 0, "the first look");
  gone.abort();
  assert.equal(await taking, []);
  await eventually(() => opened.followers() === 0, "no follower");
});

test("take() lets a thousand wait at once, and refuses more until one has left", async () => {
  await using opened = open();
  const { arrivals } = opened;
  const none = () => Promise.resolve([]);
  const callers = Array.from({ length: MOST }, () => new AbortController());
  const polls = callers.map(({ signal }) => arrivals.take(none, { waitMs: 600_000, signal, wants }));
  const { signal } = new AbortController();
  await refuses(() => arrivals.take(none, { waitMs: 0, signal, wants }), "too_many_waiters");
  callers[0]!.abort();
  await polls[0];
  assert.equal(await arrivals.take(none, { waitMs: 0, signal, wants }), []);
  for (const caller of callers) caller.abort();
  await Promise.all(polls);
  await eventually(() => opened.followers() === 0, "no follower");
});

/** One who waits for what is wanted, of which there is none, until the test is over; how often it has looked. */
function waiting({ arrivals }: ReturnType<typeof open>) {
  const stop = new AbortController();
  let looks = 0;
  const take = () => {
    looks++;
    return Promise.resolve([]);
  };
  const over = arrivals.take(take, { waitMs: 600_000, signal: stop.signal, wants });
  return {
    looks: () => looks,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await over;
    },
  };
}

test("take() looks again at once for what its caller wants, and not for what others do", async () => {
  await using opened = open();
  const begun = performance.now();
  await using poll = waiting(opened);
  const { looks } = poll;
  // One because the feed is followed from now on.
  await eventually(() => looks() >= 2, "the second look");
  for (let n = 0; n < 100; n++) {
    opened.append("another");
    opened.append("wanted", "execution.completed");
    await pause(2);
  }
  await eventually(() => opened.unread() === 0, "all is read");
  // It looks each second without anything, too.
  const most = 2 + (performance.now() - begun) / 1000;
  assert.ok(looks() <= most, `${looks()} looks, not ${most}`);
  for (const type of ["execution.requested", "execution.resumed"]) {
    // Long before that second is over, but on a machine that stands still just then.
    await eventually(async () => {
      const before = looks();
      await eventually(() => looks() > before, "a look by itself");
      const at = performance.now();
      opened.append("wanted", type);
      await eventually(() => looks() > before + 1, "the look at it");
      return performance.now() - at < 500;
    }, "a look at once");
  }
});

test("take() rests after a look, however much comes of what its caller wants", async () => {
  await using opened = open();
  const begun = performance.now();
  await using poll = waiting(opened);
  const { looks } = poll;
  while (looks() < 11) {
    opened.append("wanted");
    await new Promise((resolve) => setImmediate(resolve));
  }
  // A timer may come a millisecond early.
  assert.ok(performance.now() - begun >= 10 * 19, `eleven looks in ${performance.now() - begun} ms`);
});

test.run();
