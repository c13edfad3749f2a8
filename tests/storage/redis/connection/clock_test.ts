/**
 * Redis's time in this process. No server's clock can be set here, so what a jump does is shown by answers of our own.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../../../src/lib/delay.ts";
import { RedisClock } from "../../../../src/storage/redis/connection/clock.ts";
import { RedisConnection } from "../../../../src/storage/redis/connection/connection.ts";
import { withMovedDate } from "../../../support/moved_date.ts";
import { redisVariants } from "../../../support/redis.ts";

const test = suite("RedisClock");
const MINUTE_MS = 60_000;

test("now() is Redis's time, whatever the system's clock says", async () => {
  const connection = await RedisConnection.open({ url: redisVariants()[0]!.url });
  const warnings: string[] = [];
  for (const offMs of [0, MINUTE_MS, -MINUTE_MS]) {
    await withMovedDate(offMs, async () => {
      const clock = await RedisClock.start({ connection, onError: (error) => warnings.push(String(error)) });
      const before = await timeOf(connection);
      const now = clock.now();
      // Right to within the time that an answer takes, which is far less than a clock is off here.
      assert.ok(Math.abs(now - before) < MINUTE_MS / 2, `${now} is not about ${before}`);
      assert.ok(
        Math.abs(clock.systemOffsetMs - offMs) < MINUTE_MS / 2,
        `${clock.systemOffsetMs} is not about ${offMs}`,
      );
      clock.stop();
    });
  }
  assert.is(warnings.length, 2, warnings.join());
  assert.match(warnings[0]!, /^Error: The system's clock is \d+ ms ahead of Redis's/);
  assert.match(warnings[1]!, /^Error: The system's clock is \d+ ms behind Redis's/);
  connection.close();
});

test("now() does not change when the system's clock steps, and it is told once", async () => {
  const server = makeServer();
  const warnings: string[] = [];
  const clock = await RedisClock.start({ connection: server, onError: (error) => warnings.push(String(error)) });
  const before = clock.now();
  await withMovedDate(-MINUTE_MS, async () => {
    for (let n = 0; n < 3; n++) await server.link();
    assert.ok(clock.now() >= before);
  });
  assert.is(warnings.length, 1, warnings.join());
  clock.stop();
});

test("a slow answer moves nothing, a faster one corrects", async () => {
  const server = makeServer();
  server.aheadMs = 300;
  // The clock is read when the question comes, and the answer takes its time: half of that is taken for the way there.
  server.answerMs = 40;
  const clock = await RedisClock.start({ connection: server, onError: fails });
  const errorMs = () => clock.now() - (Date.now() + server.aheadMs);
  server.answerMs = 0;
  await server.link();
  const corrected = errorMs();
  server.answerMs = 1000;
  await server.link();
  assert.ok(Math.abs(errorMs() - corrected) <= 100, `moved from ${corrected} to ${errorMs()}`);
  clock.stop();
});

test("a first answer that was slow is corrected, and no jump", async () => {
  const server = makeServer();
  server.firstMs = 2500;
  const clock = await RedisClock.start({ connection: server, onError: fails });
  assert.ok(Math.abs(clock.systemOffsetMs) < 1000, `${clock.systemOffsetMs} ms off`);
  clock.stop();
});

test("a jump of Redis's clock is followed, and told", async () => {
  const server = makeServer();
  const warnings: string[] = [];
  const clock = await RedisClock.start({ connection: server, onError: (error) => warnings.push(String(error)) });
  for (const aheadMs of [MINUTE_MS, -MINUTE_MS]) {
    server.aheadMs = aheadMs;
    await server.link();
    assert.ok(Math.abs(clock.systemOffsetMs + aheadMs) < MINUTE_MS / 2);
  }
  const jumps = warnings.filter((text) => text.includes("jumped"));
  assert.equal(jumps.map((text) => Math.sign(Number(/by (-?\d+) ms/.exec(text)?.[1]))), [1, -1]);
  clock.stop();
});

test.run();

async function timeOf(connection: RedisConnection): Promise<number> {
  const [seconds, microseconds] = await connection.send<[string, string]>(["TIME"]);
  return Number(seconds) * 1000 + Number(microseconds) / 1000;
}

function fails(error: unknown): never {
  throw error;
}

/** Answers TIME with a clock that can be set, after a while. */
function makeServer() {
  const listeners: (() => void | Promise<void>)[] = [];
  const { timeOrigin } = performance;
  const server = {
    aheadMs: 0,
    answerMs: 0,
    /** How long the first answer takes, if longer. */
    firstMs: 0,
    ready: true,
    onReady: (listener: () => void | Promise<void>) => void listeners.push(listener),
    /** A new link, until all that it does is done. */
    link: async () => {
      for (const listener of listeners) await listener();
    },
    send: async () => {
      const now = timeOrigin + performance.now() + server.aheadMs;
      await pause(Math.max(server.answerMs, server.firstMs));
      server.firstMs = 0;
      return [String(Math.floor(now / 1000)), String(Math.floor((now % 1000) * 1000))] as never;
    },
  };
  return server;
}
