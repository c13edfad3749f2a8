/**
 * What scripts have left behind of an execution, for tests that compare it.
 */
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../../support/redis.ts";

const { url } = redisVariants()[0]!;

/** A store, and what is asked of its server directly. */
export interface Bench {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly store: Awaited<ReturnType<typeof openRedisStore>>;
}

/** Gives a bench to a test. */
export async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
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
export async function leftOf({ keys, commands }: Bench, executionId: string): Promise<unknown> {
  const send = (...words: string[]) => commands.send(words);
  const ttl = async (key: string) => Math.round(Number(await send("PTTL", key)) / 100_000);
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

/** Empties the streams of all executions. */
export async function forget({ keys, commands }: Bench): Promise<void> {
  for (const name of [keys.work(0), keys.feed(0), keys.inbox(0, "a")]) {
    await commands.send(["XTRIM", name, "MAXLEN", "0"]);
  }
}
