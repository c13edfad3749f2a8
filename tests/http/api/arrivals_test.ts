/**
 * Long polls for work, when the store fails, callers go, or too many come.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Arrivals } from "../../../src/http/api/arrivals.ts";
import { waitFor } from "../../../src/lib/delay.ts";
import { createMemoryStore } from "../../../src/storage/memory/store.ts";
import { refuses } from "../../storage/expectations.ts";
import { eventually } from "../../support/eventually.ts";

const MOST = 1000;

/** Polls of a store in which nothing happens, and how many follow its feed. */
function open() {
  const store = createMemoryStore({ instance: "test", maxWaiters: 100 });
  let followers = 0;
  store.projections.followFeed = async function* ({ signal }) {
    followers++;
    try {
      yield { mark: "at", cursor: "0-0" };
      await waitFor(() => () => {}, { signal });
    } finally {
      followers--;
    }
  };
  const log = () => {};
  const arrivals = new Arrivals({ store, logger: { debug: log, info: log, warn: log, error: log } });
  return {
    arrivals,
    followers: () => followers,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

test("take() gives up its place, and the feed, when the store fails", async () => {
  await using opened = open();
  const { arrivals, followers } = opened;
  const options = { waitMs: 600_000, signal: new AbortController().signal };
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
  const taking = opened.arrivals.take(take, { waitMs: 600_000, signal: gone.signal });
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
  const polls = callers.map(({ signal }) => arrivals.take(none, { waitMs: 600_000, signal }));
  const { signal } = new AbortController();
  await refuses(() => arrivals.take(none, { waitMs: 0, signal }), "too_many_waiters");
  callers[0]!.abort();
  await polls[0];
  assert.equal(await arrivals.take(none, { waitMs: 0, signal }), []);
  for (const caller of callers) caller.abort();
  await Promise.all(polls);
  await eventually(() => opened.followers() === 0, "no follower");
});

test.run();
