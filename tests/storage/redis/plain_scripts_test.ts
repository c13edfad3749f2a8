/**
 * The scripts for the common case leave behind what the general ones do, and do nothing where it is not theirs.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Claim } from "../../../src/execution/claim.ts";
import type { LogEvent } from "../../../src/execution/event.ts";
import type { ExecutionRequest } from "../../../src/execution/request.ts";
import { ExecutionKeys } from "../../../src/storage/redis/execution_keys.ts";
import { endingOf } from "../../../src/storage/redis/feed_entries.ts";
import { encodeEvents, fieldsOfOnly } from "../../../src/storage/redis/log_entries.ts";
import { recordWords, requestWords } from "../../../src/storage/redis/request_words.ts";
import { append } from "../../../src/storage/redis/scripts/append.ts";
import { finish, type FinishScriptOptions } from "../../../src/storage/redis/scripts/finish.ts";
import { recordExecution } from "../../../src/storage/redis/scripts/record.ts";
import { requestExecution } from "../../../src/storage/redis/scripts/request.ts";
import { completed, requestOf, takeClaim } from "../drivers.ts";
import { type Bench, forget, leftOf, withBench } from "./left_behind.ts";

const ROOM = 10_000_000;

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom("", "'", "\r\n", "1795000000000"));
const requests = fc.record({
  input: fc.jsonValue(),
  trigger: fc.constantFrom("hook", "other"),
  version: fc.integer({ min: 1, max: 99 }),
  // In steps that tell them apart whenever they are looked at.
  resultTtlSeconds: fc.integer({ min: 1, max: 20 }).map((n) => 100 * n),
  historyTtlSeconds: fc.integer({ min: 1, max: 1000 }).map((n) => 100 * n),
  timeoutMs: fc.integer({ min: 10_000, max: 900_000 }),
  isAwaited: fc.boolean(),
  isLocal: fc.boolean(),
});
type Parts = typeof requests extends fc.Arbitrary<infer T> ? T : never;
const outputs = fc.array(fc.oneof(fc.integer(), text), { minLength: 1, maxLength: 12 });

function requestWith({ isAwaited, isLocal: _, ...parts }: Parts): ExecutionRequest {
  return requestOf({ ...parts, ...(isAwaited && { replyTo: "a" }) } as Partial<ExecutionRequest>);
}

/** The events of a run, at a time that {@linkcode leftOf} leaves out. */
function eventsOf(values: readonly (string | number)[]): LogEvent[] {
  const time = Date.now();
  const done = values.map((value, i) => ({ ...completed(`node-${i}`, value), time }));
  return [...done, { type: "execution.completed", time, data: { lastNode: "node-0" } }];
}

test("a plain request leaves what the general one does", async () => {
  await withBench(async (bench) => {
    const { commands, keys, store } = bench;
    await fc.assert(
      fc.asyncProperty(requests, async (parts) => {
        const left = [];
        for (const again of [false, true]) {
          const request = requestWith(parts);
          const { words } = requestWords(request, { keys });
          // A time to come: on a busy machine that of now may be too long ago.
          const sending = { time: store.clock.now() + 60_000, queueLimit: undefined, again };
          const leaseMs = parts.isLocal ? 60_000 : undefined;
          const { what } = await requestExecution(commands, words, { ...sending, leaseMs });
          assert.is(what, parts.isLocal ? "local" : "ok");
          left.push(await leftOf(bench, request.executionId));
          await forget(bench);
        }
        assert.equal(left[0], left[1]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});

test("what is recorded plainly is what is recorded with all checks", async () => {
  await withBench(async (bench) => {
    const { commands, keys, store } = bench;
    await fc.assert(
      fc.asyncProperty(requests, outputs, async (parts, values) => {
        const left = [];
        for (const again of [false, true]) {
          const request = requestWith(parts);
          const { executionId } = request;
          const result = { executionId, status: "completed", output: values[0]! } as const;
          const run = { requestedAt: store.clock.now() + 60_000, events: eventsOf(values), result };
          const { words } = await recordWords(request, run, { keys });
          const { what } = await recordExecution(commands, words, { again, queueLimit: undefined });
          assert.is(what, "ok");
          left.push(await leftOf(bench, executionId));
          await forget(bench);
        }
        assert.equal(withoutLast(left[0]), withoutLast(left[1]));
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});

/** The feed may name the last event, or leave it to be counted. */
function withoutLast(left: unknown): unknown {
  const { feed, ...rest } = left as { feed: string[][] };
  const bare = feed.map((words) => words.filter((_, i) => words[i - i % 2] !== "last"));
  return { ...rest, feed: bare };
}

/** Requests an execution, and takes it. */
async function taken({ store }: Bench, parts: Parts): Promise<Claim> {
  const request = requestWith(parts);
  if (!parts.isLocal) {
    await store.log.request(request);
    return await takeClaim(store, request.executionId);
  }
  const { claim } = await store.shortWay.start(request);
  return claim!;
}

/** How a claim ends its execution at once, in the words of either script. */
function endOf({ keys }: Bench, claim: Claim, events: readonly LogEvent[]) {
  const { executionId, epoch, entryId, workflowId, version, requestedAt, replyTo, way } = claim;
  const encoded = encodeEvents(events);
  const common = {
    keys: new ExecutionKeys(keys, executionId),
    inbox: keys.inbox(0, "a"),
    executionId,
    epoch: String(epoch),
    reply: replyTo === undefined || way === "local" ? "" : "result",
    writer: "w.1",
    group: "workers",
  } as const;
  const whole: FinishScriptOptions = {
    ...common,
    ...{ entryId, status: "completed", result: "{}", sequence: 1 + events.length },
    append: endingOf({ workflowId, version, types: encoded.types }, { status: "completed", requestedAt }),
    fields: fieldsOfOnly(encoded.words)!,
  };
  const general = {
    ...common,
    ...{ sequence: "1", outcome: "completed", payload: "{}", base: keys.base(0), deadLetter: "" },
    ...{ types: encoded.types, logLimitBytes: ROOM, count: events.length, words: encoded.words, makesRoom: true },
  };
  return { whole, general };
}

test("what ends by its first append leaves what the general append does", async () => {
  await withBench(async (bench) => {
    await fc.assert(
      fc.asyncProperty(requests, outputs, async (parts, values) => {
        const left = [];
        for (const isWhole of [true, false]) {
          const claim = await taken(bench, parts);
          const { whole, general } = endOf(bench, claim, eventsOf(values));
          const what = isWhole ? await finish(bench.commands, whole) : await append(bench.commands, general);
          assert.is(what, "ok");
          left.push(await leftOf(bench, claim.executionId));
          assert.is(await finish(bench.commands, whole), "other", "it has ended");
          assert.is(await append(bench.commands, general), "ok", "sent again, it changes nothing");
          assert.equal(await leftOf(bench, claim.executionId), left.at(-1));
          await forget(bench);
        }
        assert.equal(withoutLast(left[0]), withoutLast(left[1]));
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });
});

test("nothing is ended by a claim that is no longer the newest, nor what is paused, has more events, or is not plain", async () => {
  await withBench(async (bench) => {
    const { commands, keys, store } = bench;
    const plain: Omit<Parts, "isLocal" | "isAwaited"> = {
      input: 1,
      trigger: "hook",
      version: 1,
      resultTtlSeconds: 60,
      historyTtlSeconds: 60,
      timeoutMs: 60_000,
    };
    for (const isLocal of [true, false]) {
      const ways: ((claim: Claim, end: FinishScriptOptions) => Promise<FinishScriptOptions>)[] = [
        (_, end) => Promise.resolve({ ...end, epoch: "2" }),
        (_, end) => Promise.resolve({ ...end, entryId: "1-1" }),
        async (claim, end) => {
          await commands.send(["HINCRBY", keys.meta(claim.executionId), "epoch", "1"]);
          return end;
        },
        async (claim, end) => {
          await store.log.pause(claim.executionId);
          return end;
        },
        async (claim, end) => {
          await store.work.append(claim, { sequence: 1, events: [completed("sum", 1)] });
          return end;
        },
        async (claim, end) => {
          await commands.send(["HDEL", keys.meta(claim.executionId), "plain"]);
          return end;
        },
        async (claim, end) => {
          await commands.send(["DEL", keys.meta(claim.executionId)]);
          return end;
        },
      ];
      for (const [n, way] of ways.entries()) {
        const claim = await taken(bench, { ...plain, isLocal, isAwaited: true });
        const { whole } = endOf(bench, claim, eventsOf([1, 2]));
        const end = await way(claim, whole);
        const before = await leftOf(bench, claim.executionId);
        assert.is(await finish(commands, end), "other", `case ${n}`);
        assert.equal(await leftOf(bench, claim.executionId), before);
      }
    }
  });
});

test.run();
