/**
 * The scripts for the common case leave behind what the general ones do, and do nothing where it is not theirs.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Claim } from "../../../src/execution/claim.ts";
import type { LogEvent } from "../../../src/execution/event.ts";
import type { ExecutionRequest } from "../../../src/execution/request.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { encodeEvents, fieldsOfOnly } from "../../../src/storage/redis/log_entries.ts";
import { recordWords, requestWords } from "../../../src/storage/redis/request_words.ts";
import { append } from "../../../src/storage/redis/scripts/append.ts";
import { finish, type FinishScriptOptions } from "../../../src/storage/redis/scripts/finish.ts";
import { recordExecution } from "../../../src/storage/redis/scripts/record.ts";
import { requestExecution } from "../../../src/storage/redis/scripts/request.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";
import { completed, requestOf, takeClaim } from "../drivers.ts";

const { url } = redisVariants()[0]!;
const ROOM = 10_000_000;

/** A store, and what is asked of its server directly. */
interface Bench {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly store: Awaited<ReturnType<typeof openRedisStore>>;
}

async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const prefix = uniquePrefix();
  const commands = await RedisConnection.open({ url });
  const store = await openRedisStore({ url, prefix, instance: "a" });
  const keys = new Keys({ prefix });
  try {
    await commands.send(["XGROUP", "CREATE", keys.work(0), "workers", "0", "MKSTREAM"]);
    await use({ keys, commands, store });
  } finally {
    commands.close();
    await store[Symbol.asyncDispose]();
    await removeKeys(url, prefix);
  }
}

/** All that Redis has of an execution: ids, times and digests of writers, which are others each time, left out. */
async function leftOf({ keys, commands }: Bench, executionId: string): Promise<unknown> {
  const send = (...words: string[]) => commands.send(words);
  const ttl = async (key: string) => Math.round(Number(await send("PTTL", key)) / 10_000);
  const mine = async (stream: string) =>
    (await commands.send<[string, string[]][]>(["XRANGE", stream, "-", "+"])).filter(([, words]) =>
      words.includes(executionId)
    ).map(([, words]) => words);
  const { meta, log, result, values } = {
    meta: keys.meta(executionId),
    log: keys.log(executionId),
    result: keys.result(executionId),
    values: keys.values(executionId),
  };
  const hash = await commands.send<string[]>(["HGETALL", meta]);
  const fields = Object.fromEntries(hash.flatMap((name, i) => i % 2 === 0 ? [[name, hash[i + 1]]] : []));
  const { writer, entry, ...known } = fields;
  const timer = await send("ZSCORE", keys.timers(0), executionId);
  const left = {
    known: { ...known, writer: Boolean(writer), entry: entry === "" || entry === "local" ? entry : "its own" },
    log: (await commands.send<[string, string[]][]>(["XRANGE", log, "-", "+"])).map(([, words]) => words),
    // The log of what is written whole ends with its entry; another's ids are taken.
    result: await send("GET", result),
    values: await send("HGETALL", values),
    feed: await mine(keys.feed(0)),
    work: await mine(keys.work(0)),
    inbox: await mine(keys.inbox(0, "a")),
    pending: await send("XPENDING", keys.work(0), "workers"),
    timed: timer !== null,
    ttls: await Promise.all([meta, log, result].map(ttl)),
  };
  return JSON.parse(JSON.stringify(left).replaceAll(executionId, "id").replaceAll(/\b1[78]\d{11}(-\d+)?\b/g, "time"));
}

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom("", "'", "\r\n", "1795000000000"));
const requests = fc.record({
  input: fc.jsonValue(),
  trigger: fc.constantFrom("hook", "other"),
  version: fc.integer({ min: 1, max: 99 }),
  resultTtlSeconds: fc.integer({ min: 100, max: 2000 }),
  historyTtlSeconds: fc.integer({ min: 100, max: 100_000 }),
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
          const sending = { time: store.clock.now(), queueLimit: undefined, again };
          const leaseMs = parts.isLocal ? 60_000 : undefined;
          const { what } = await requestExecution(commands, words, { ...sending, leaseMs });
          assert.is(what, parts.isLocal ? "local" : "ok");
          left.push(await leftOf(bench, request.executionId));
          await commands.send(["XTRIM", keys.work(0), "MAXLEN", "0"]);
        }
        assert.equal(left[0], left[1]);
      }),
      { numRuns: 60 },
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
          const run = { requestedAt: store.clock.now(), events: eventsOf(values), result };
          const { words } = await recordWords(request, run, { keys });
          const { what } = await recordExecution(commands, words, { again, queueLimit: undefined });
          assert.is(what, "ok");
          left.push(await leftOf(bench, executionId));
        }
        assert.equal(withoutLast(left[0]), withoutLast(left[1]));
      }),
      { numRuns: 60 },
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
    keys: {
      meta: keys.meta(executionId),
      log: keys.log(executionId),
      feed: keys.feed(0),
      work: keys.work(0),
      result: keys.result(executionId),
      inbox: keys.inbox(0, "a"),
      timers: keys.timers(0),
    },
    executionId,
    epoch: String(epoch),
    types: encoded.types,
    reply: replyTo === undefined || way === "local" ? "" : "result",
    writer: "w.1",
    group: "workers",
  } as const;
  const whole: FinishScriptOptions = {
    ...common,
    ...{ entryId, workflowId, version, requestedAt, status: "completed", result: "{}", sequence: 1 + events.length },
    fields: fieldsOfOnly(encoded.words)!,
  };
  const general = {
    ...common,
    ...{ sequence: "1", outcome: "completed", payload: "{}", base: keys.base(0), deadLetter: "" },
    ...{ logLimitBytes: ROOM, count: events.length, words: encoded.words, makesRoom: true },
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
        }
        assert.equal(withoutLast(left[0]), withoutLast(left[1]));
      }),
      { numRuns: 40 },
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
