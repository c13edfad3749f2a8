/**
 * The policy by which suspects begin, in a model of workers that are ended by poison, and the turns of one worker.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nextTurn, turnMs, Turns } from "../../src/engine/suspects.ts";

/** How long a lease is in the model, in milliseconds: longer than poison takes to act. */
const LEASE_MS = 1000;

/** One execution of the model. */
interface Modelled {
  readonly id: number;
  /** How long it runs; poison ends its worker then. */
  readonly ms: number;
  readonly poison: boolean;
  deliveries: number;
}

/** Runs the executions on workers, each started anew when it ended: who became a dead letter, how many ends, how long. */
function simulate(all: readonly Modelled[], options: { workers: number; maxDeliveries: number }) {
  const { workers, maxDeliveries } = options;
  interface Worker {
    readonly waiting: Modelled[];
    readonly begun: Map<Modelled, number>;
    readonly running: Map<Modelled, number>;
  }
  const fleet = Array.from({ length: workers }, (): Worker => ({ waiting: [], begun: new Map(), running: new Map() }));
  let lapsing: { at: number; execution: Modelled }[] = [];
  const dead: number[] = [];
  const done: number[] = [];
  let [now, ends] = [0, 0];
  for (const [i, execution] of all.entries()) fleet[i % workers]!.running.set(execution, execution.ms);
  while (done.length + dead.length < all.length) {
    let next = Math.min(...lapsing.map(({ at }) => at));
    for (const { waiting, begun, running } of fleet) {
      for (;;) {
        const turn = nextTurn({ waiting, begun, maxDeliveries, now });
        if ("begins" in turn) {
          waiting.splice(waiting.indexOf(turn.begins), 1);
          begun.set(turn.begins, now);
          running.set(turn.begins, now + turn.begins.ms);
          continue;
        }
        next = Math.min(next, now + turn.askAgainMs);
        break;
      }
      next = Math.min(next, ...running.values());
    }
    assert.ok(next < Infinity && next >= now, "somebody may always go on");
    now = next;
    for (const worker of fleet) {
      for (const [execution, at] of [...worker.running].sort(([, a], [, b]) => a - b)) {
        if (at > now || !worker.running.has(execution)) continue;
        if (!execution.poison) {
          worker.running.delete(execution);
          worker.begun.delete(execution);
          done.push(execution.id);
          continue;
        }
        ends++;
        for (const lost of worker.running.keys()) {
          if (++lost.deliveries >= maxDeliveries) dead.push(lost.id);
          else lapsing.push({ at: now + LEASE_MS, execution: lost });
        }
        for (const lost of worker.waiting) lapsing.push({ at: now + LEASE_MS, execution: lost });
        worker.running.clear();
        worker.begun.clear();
        worker.waiting.length = 0;
      }
    }
    for (const { at, execution } of lapsing) {
      if (at <= now) fleet[(execution.id * 7 + ends) % workers]!.waiting.push(execution);
    }
    lapsing = lapsing.filter(({ at }) => at > now);
  }
  return { dead: dead.sort((a, b) => a - b), ends, ms: now };
}

test("nextTurn() lets only what ends workers become a dead letter, whatever runs beside it", () => {
  fc.assert(
    fc.property(
      fc.record({
        workers: fc.integer({ min: 1, max: 4 }),
        maxDeliveries: fc.integer({ min: 2, max: 6 }),
        innocents: fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 20, max: 30_000 })), {
          maxLength: 60,
        }),
        poisons: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: LEASE_MS - 1 })), {
          minLength: 1,
          maxLength: 4,
        }),
      }),
      ({ workers, maxDeliveries, innocents, poisons }) => {
        const mixed: { ms: number; poison: boolean }[] = innocents.map((ms) => ({ ms, poison: false }));
        for (const [place, ms] of poisons) mixed.splice(place % (mixed.length + 1), 0, { ms, poison: true });
        const all = mixed.map((it, id): Modelled => ({ ...it, id, deliveries: 0 }));
        const { dead, ends } = simulate(all, { workers, maxDeliveries });
        assert.equal(dead, all.filter(({ poison }) => poison).map(({ id }) => id));
        assert.ok(ends <= poisons.length * maxDeliveries);
      },
    ),
    { numRuns: 500 },
  );
});

test("nextTurn() lets all that a killed worker ran go on within seconds, however long they take", () => {
  const lost = Array.from({ length: 256 }, (_, id): Modelled => ({ id, ms: 30_000, poison: false, deliveries: 1 }));
  const begun = new Map<Modelled, number>();
  let now = 0;
  while (lost.length > 0) {
    const turn = nextTurn({ waiting: lost, begun, maxDeliveries: 5, now });
    if ("begins" in turn) begun.set(lost.splice(lost.indexOf(turn.begins), 1)[0]!, now);
    else now += turn.askAgainMs;
  }
  assert.ok(now <= 3000, `${now} ms`);
});

test("turnMs() grows with each worker lost, within bounds", () => {
  const turns = [1, 2, 3, 4, 50].map((deliveries) => turnMs({ deliveries }));
  assert.equal(turns, [10, 40, 160, 640, 5000]);
});

test("Turns lets the one that lost most begin first, and nobody beside its last chance", async () => {
  const turns = new Turns<{ deliveries: number; name: string }>({ maxDeliveries: 3 });
  const begun: string[] = [];
  const { signal } = new AbortController();
  const enter = (name: string, deliveries: number, options: { signal?: AbortSignal; mostMs?: number } = {}) => {
    const suspect = { name, deliveries };
    const entered = turns.wait(suspect, { signal, mostMs: 60_000, ...options }).then((begins) => {
      if (begins) begun.push(name);
      return begins;
    });
    return { suspect, entered };
  };
  const first = enter("first", 1);
  // Before the second, whose turn would come by the clock.
  const last = enter("last", 2);
  const second = enter("second", 1);
  const aborting = new AbortController();
  const aborted = enter("aborted", 2, { signal: aborting.signal });
  await first.entered;
  assert.is(turns.waiting, 3);
  const hurried = enter("hurried", 1, { mostMs: 30 });
  assert.is(await hurried.entered, false, "its time was over");
  assert.equal(begun, ["first"], "the last chance waits for the one that began, and the others for it");
  aborting.abort();
  assert.is(await aborted.entered, false);
  turns.leave(first.suspect);
  await last.entered;
  assert.equal(begun, ["first", "last"]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(begun, ["first", "last"], "for as long as it takes");
  turns.leave(last.suspect);
  await second.entered;
  const third = enter("third", 1);
  assert.is(await third.entered, true, "its turn comes though the one before runs on");
  assert.is(turns.waiting, 0);
});

test.run();
