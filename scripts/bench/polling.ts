/**
 * The polling design: the request goes on a list, the worker SETs the result with a TTL of 60 s, and the front GETs it
 * every 100 ms. `node scripts/bench/polling.ts front|back`, with REDIS_URL.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { serveFront } from "./front.ts";
import { work } from "./work.ts";

const POLL_MS = 100;

const url = process.env.REDIS_URL!;
const commands = await RedisConnection.open({ url });
if (process.argv[2] === "back") await back();
else serveFront(answer);

async function answer(body: string): Promise<string> {
  const id = crypto.randomUUID();
  await commands.send(["LPUSH", "polling:work", JSON.stringify({ id, body })]);
  for (;;) {
    await sleep(POLL_MS);
    const result = await commands.send<string | null>(["GET", `polling:result:${id}`]);
    if (result !== null) return result;
  }
}

async function back(): Promise<void> {
  const blocked = await RedisConnection.open({ url });
  console.log("ready");
  for (;;) {
    const popped = await blocked.send<[string, string] | null>(["BRPOP", "polling:work", "5"], { deadlineMs: 7000 });
    if (popped === null) continue;
    const { id, body } = JSON.parse(popped[1]) as { id: string; body: string };
    void work(body).then((result) => commands.send(["SET", `polling:result:${id}`, result, "EX", "60"]));
  }
}
