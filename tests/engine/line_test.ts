/**
 * Waiting in line for a place: by a model, and on the places of a worker.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Line } from "../../src/engine/line.ts";
import { type LocalRun, LocalRuns } from "../../src/engine/local_runs.ts";
import { Places } from "../../src/engine/places.ts";
import { Shares } from "../../src/engine/shares.ts";
import type { ExecutionRequest } from "../../src/execution/request.ts";
import type { LocalPlace, UnwrittenWrites } from "../../src/execution/short_way.ts";
import { compiled } from "../http/workflows.ts";

const LONG = { mostMs: 600_000 };
const WORKFLOWS = ["a", "b", "c"].map((id) => compiled(id));

/** One step of those that a line is put through. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ join: fc.nat({ max: WORKFLOWS.length - 1 }) }) },
  { weight: 2, arbitrary: fc.record({ serve: fc.nat({ max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ room: fc.nat({ max: WORKFLOWS.length - 1 }), for: fc.nat({ max: 5 }) }) },
);

test("of each workflow who came first is served first, and no workflow twice before another that waits", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const room = new Map(WORKFLOWS.map(({ id }) => [id, 2]));
      const served: { id: string; workflow: string }[] = [];
      const line = new Line({
        take: (id, { id: workflow }) => {
          const left = room.get(workflow)!;
          if (left === 0) return undefined;
          room.set(workflow, left - 1);
          served.push({ id, workflow });
          return { id } as unknown as LocalPlace;
        },
      });
      const waiting = new Map(WORKFLOWS.map(({ id }) => [id, [] as string[]]));
      const ends: Promise<[id: string, place: string | undefined]>[] = [];
      for (const [n, step] of steps.entries()) {
        if ("join" in step) {
          const workflow = WORKFLOWS[step.join]!;
          const id = `${workflow.id}${n}`;
          waiting.get(workflow.id)!.push(id);
          ends.push(line.wait(id, workflow, LONG).then((place) => [id, (place as { id?: string } | undefined)?.id]));
        } else if ("room" in step) room.set(WORKFLOWS[step.room]!.id, step.for);
        else {
          const open = (of = room) => [...waiting].filter(([id, { length }]) => length > 0 && of.get(id)! > 0);
          const most = open().reduce((sum, [id, { length }]) => sum + Math.min(length, room.get(id)!), 0);
          const from = served.length;
          line.serve(step.serve);
          assert.is(served.length - from, Math.min(step.serve, most));
          const turns = new Map<string, number>();
          for (const { id, workflow } of served.slice(from)) {
            assert.is(waiting.get(workflow)!.shift(), id);
            turns.set(workflow, (turns.get(workflow) ?? 0) + 1);
          }
          // Who still waits and could have been served had as many turns as anyone, but for one.
          const mostTurns = Math.max(0, ...turns.values());
          for (const [id] of open()) assert.ok((turns.get(id) ?? 0) >= mostTurns - 1, `${id} was passed over`);
        }
        for (const [id, { length }] of waiting) assert.is(line.has(id), length > 0);
      }
      assert.is(line.size, [...waiting.values()].flat().length);
      line.close();
      assert.is(line.size, 0);
      const places = new Map(await Promise.all(ends));
      for (const { id } of served) assert.is(places.get(id), id);
      for (const id of [...waiting.values()].flat()) assert.is(places.get(id), undefined);
    }),
  );
});

test("a wait ends without a place after its time", async () => {
  const line = new Line({ take: () => undefined });
  assert.is(await line.wait("x", WORKFLOWS[0]!, { mostMs: 1 }), undefined);
  assert.equal([line.size, line.has("a")], [0, false]);
});

/** A worker's places, whose runs end when they are told to. */
function openRuns(count: number) {
  const places = new Places({ places: count });
  const running = new Map<string, () => void>();
  let isOpen = true;
  const runs = new LocalRuns({
    places,
    shares: new Shares({ places: count }),
    clock: { now: () => 0 },
    work: {} as never,
    isOpen: () => isOpen,
    run: ({ executionId }, { queue }: LocalRun) =>
      new Promise((resolve) => {
        running.set(executionId, () => {
          running.delete(executionId);
          resolve(queue.finish({ requestedAt: 0 } as never, { events: [], result: {} as never, sequence: 0 }));
        });
      }),
    giveUp: () => Promise.resolve(),
    onError: () => {},
  });
  const writes: UnwrittenWrites = {
    record: () => Promise.resolve(true),
    start: () => Promise.resolve(undefined),
    handOver: () => Promise.resolve(),
  };
  const begin = (executionId: string, place: LocalPlace) =>
    place.runUnwritten({ executionId } as ExecutionRequest, writes);
  const close = () => {
    isOpen = false;
    runs.close();
  };
  return { places, running, runs, begin, close };
}

/** What `make` gives, made again where that took so long that places no longer count as just taken. */
function withoutStandstill<T>(make: () => T): T {
  for (;;) {
    const startedAt = performance.now();
    const made = make();
    if (performance.now() - startedAt < 400) return made;
  }
}

/** Lets promises go on; no timer fires meanwhile. */
async function settle(): Promise<void> {
  for (let n = 0; n < 100; n++) await undefined;
}

test("who finds no place has one as soon as another leaves, in order, and nobody overtakes", async () => {
  const [a] = WORKFLOWS;
  const { places, running, runs, begin, order } = withoutStandstill(() => {
    const made = openRuns(4);
    for (const id of ["1", "2", "3", "4"]) made.begin(id, made.runs.reserve(id, a!)!);
    const order: string[] = [];
    for (const id of ["5", "6", "7"]) {
      assert.is(made.runs.reserve(id, a!), undefined);
      void made.runs.wait(id, a!, LONG).then((place) => {
        order.push(id);
        made.begin(id, place!);
      });
    }
    return { ...made, order };
  });
  running.get("2")!();
  await settle();
  assert.equal([[...running.keys()], order, places.free], [["1", "3", "4", "5"], ["5"], 0]);
  assert.is(runs.reserve("8", a!), undefined);
  running.get("1")!();
  running.get("3")!();
  await settle();
  assert.equal([[...running.keys()], order], [["4", "5", "6", "7"], ["5", "6", "7"]]);
  running.get("4")!();
  await settle();
  assert.is(places.free, 1);
  begin("8", runs.reserve("8", a!)!);
  for (const end of [...running.values()]) end();
  await settle();
  assert.equal([places.free, places.taken], [4, 0]);
});

test("the next place is left to who takes from the work stream, where that waits for one", async () => {
  const [a] = WORKFLOWS;
  const { places, running, runs, waited, taken } = withoutStandstill(() => {
    const made = openRuns(2);
    for (const id of ["1", "2"]) made.begin(id, made.runs.reserve(id, a!)!);
    const taken = made.places.room(600_000);
    let waited: LocalPlace | undefined;
    void made.runs.wait("3", a!, LONG).then((place) => waited = place);
    return { ...made, waited: () => waited, taken };
  });
  running.get("1")!();
  await taken;
  assert.equal([places.free, waited()], [1, undefined]);
  assert.is(runs.reserve("4", a!), undefined);
  running.get("2")!();
  await settle();
  assert.ok(waited());
  waited()!.leave();
  assert.is(places.free, 2);
});

test("nobody waits on a worker that stops, nor where places have not come free for a while", async () => {
  const [a] = WORKFLOWS;
  const { runs, close, ends } = withoutStandstill(() => {
    const made = openRuns(2);
    for (const id of ["0", "1"]) made.begin(id, made.runs.reserve(id, a!)!);
    const ends: (LocalPlace | undefined)[] = [];
    void made.runs.wait("2", a!, LONG).then((place) => ends.push(place));
    return { ...made, ends };
  });
  await settle();
  assert.equal(ends, []);
  close();
  await settle();
  assert.equal(ends, [undefined]);
  assert.is(await runs.wait("3", a!, LONG), undefined);
  const slow = openRuns(2);
  for (const id of ["0", "1"]) slow.begin(id, slow.runs.reserve(id, a!)!);
  // As long as a workflow may take to show how fast it is.
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.is(await slow.runs.wait("2", a!, LONG), undefined);
});

test("nobody waits on a worker of one place or two whose free place is kept for the work stream", async () => {
  const [a] = WORKFLOWS;
  for (const count of [1, 2]) {
    const { places, runs, begin } = openRuns(count);
    for (let n = 1; n < count; n++) begin(`${n}`, runs.reserve(`${n}`, a!)!);
    void places.keeping(1, () => new Promise(() => {}));
    assert.is(runs.reserve("x", a!), undefined);
    // As long as a workflow may take to show how fast it is.
    if (count > 1) await new Promise((resolve) => setTimeout(resolve, 600));
    let isOver = false;
    void runs.wait("x", a!, LONG).then(() => isOver = true);
    await settle();
    assert.ok(isOver, `${count} places`);
  }
});

test.run();
