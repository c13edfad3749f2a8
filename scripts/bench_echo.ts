/**
 * The least that a round trip over two streams can cost: XADD → XREADGROUP → XADD → XREAD behind the same HTTP front
 * as Millrace's, with no log, no fence, no workflow. What `scripts/bench.ts` compares with.
 *
 * `node --import tsx scripts/bench_echo.ts front|back`, with REDIS_URL; the front prints its address.
 */
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { RedisConnection } from "../src/redis/connection.ts";
import { parseStreams } from "../src/redis/stream_replies.ts";

const url = process.env["REDIS_URL"]!;
const commands = await RedisConnection.open({ url });
const blocked = await RedisConnection.open({ url });
if (process.argv[2] === "back") await back();
else await front();

async function back(): Promise<void> {
  await commands.send(["XGROUP", "CREATE", "echo:work", "workers", "0", "MKSTREAM"]).catch(() => {});
  console.log("ready");
  for (;;) {
    const read = ["XREADGROUP", "GROUP", "workers", "w", "COUNT", "256", "BLOCK", "5000", "STREAMS", "echo:work", ">"];
    for (const [, entries] of parseStreams(await blocked.send(read, { deadlineMs: 7000 }))) {
      for (const { id, fields } of entries) {
        void commands.send([
          "XADD",
          "echo:inbox",
          "MAXLEN",
          "~",
          "10000",
          "*",
          "id",
          fields.get("id")!,
          "body",
          fields.get("body")!,
        ]);
        void commands.send(["XACK", "echo:work", "workers", id]);
        void commands.send(["XDEL", "echo:work", id]);
      }
    }
  }
}

async function front(): Promise<void> {
  const waiting = new Map<string, (body: string) => void>();
  const app = new Hono();
  app.post("/echo", async (c) => {
    const body = await c.req.text();
    const id = crypto.randomUUID();
    const reply = new Promise<string>((resolve) => waiting.set(id, resolve));
    await commands.send(["XADD", "echo:work", "*", "id", id, "body", body]);
    return c.body(await reply, 200, { "content-type": "application/json" });
  });
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  let cursor = await commands.send<string>(["XADD", "echo:inbox", "*", "opened", "1"]);
  for (;;) {
    const read = ["XREAD", "COUNT", "1000", "BLOCK", "5000", "STREAMS", "echo:inbox", cursor];
    for (const [, entries] of parseStreams(await blocked.send(read, { deadlineMs: 7000 }))) {
      for (const { id, fields } of entries) {
        cursor = id;
        waiting.get(fields.get("id")!)?.(fields.get("body")!);
        waiting.delete(fields.get("id")!);
      }
    }
  }
}
