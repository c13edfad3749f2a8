/**
 * The lower bound: a bare round trip over two streams: XADD → XREADGROUP → XADD → XREAD, with no log, no fence and no
 * workflow. `node scripts/bench/echo.ts front|back`, with REDIS_URL.
 */
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { parseStreams } from "../../src/storage/redis/streams/stream_replies.ts";
import { serveFront } from "./front.ts";

const url = process.env.REDIS_URL!;
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
        const answer = ["id", fields.get("id")!, "body", fields.get("body")!];
        void commands.send(["XADD", "echo:inbox", "MAXLEN", "~", "10000", "*", ...answer]);
        void commands.send(["XACK", "echo:work", "workers", id]);
        void commands.send(["XDEL", "echo:work", id]);
      }
    }
  }
}

async function front(): Promise<void> {
  const waiting = new Map<string, (body: string) => void>();
  let cursor = await commands.send<string>(["XADD", "echo:inbox", "*", "opened", "1"]);
  serveFront(async (body) => {
    const id = crypto.randomUUID();
    const reply = new Promise<string>((resolve) => waiting.set(id, resolve));
    await commands.send(["XADD", "echo:work", "*", "id", id, "body", body]);
    return await reply;
  });
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
