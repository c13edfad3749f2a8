/**
 * What an instance has of Redis, put together for a test: commands, a followed stream, a group's reader, a probe.
 */
import { FeedReader } from "../../../src/storage/redis/feed_reader.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { Keys } from "../../../src/storage/redis/keys.ts";
import { Probe } from "../../../src/storage/redis/connection/probe.ts";
import { StreamReader } from "../../../src/storage/redis/streams/stream_reader.ts";
import { eventually } from "../../support/eventually.ts";

/** The rig. */
export interface Rig extends AsyncDisposable {
  readonly commands: RedisConnection;
  readonly blocked: RedisConnection;
  readonly group: RedisConnection | undefined;
  readonly reader: StreamReader;
  readonly probe: Probe;
  /** What `onError` heard, of all connections. */
  readonly errors: unknown[];
  /** Milliseconds until an entry written over `commands` came through the reader, the group, and the probe was well. */
  flow(): Promise<{ write: number; reader: number; group: number; probe: number }>;
}

/** Opens it. */
export async function openRig(url: string, prefix: string): Promise<Rig> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const keys = new Keys({ prefix });
  const stream = `${prefix}followed`;
  const commands = await RedisConnection.open({ url, name: "commands", onError });
  const blocked = await RedisConnection.open({ url, name: "blocked", onError });
  const reader = new StreamReader({ blocked, commands, onError });
  const probe = new Probe({ connection: commands, key: `${prefix}probe`, others: () => [blocked] });
  let group: RedisConnection | undefined;
  const feed = new FeedReader({
    keys,
    commands,
    openBlocked: async () => group = await RedisConnection.open({ url, name: "group", onError }),
    instance: "a",
    group: "assembler",
  });
  const seen = new Map<string, number>();
  reader.follow(stream, "0-0", (entries) => {
    for (const { fields } of entries) seen.set(`reader ${fields.get("n")}`, performance.now());
  });
  const stop = new AbortController();
  const taking = (async () => {
    while (!stop.signal.aborted) {
      const entries = await feed.take({ count: 100, blockMs: 5000, signal: stop.signal }).catch(async () => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        return [];
      });
      for (const { id, executionId } of entries) {
        seen.set(`group ${executionId}`, performance.now());
        await commands.send(["XACK", keys.feed(0), "assembler", id]).catch(() => feed.again());
      }
    }
  })();
  let next = 0;
  return {
    commands,
    blocked,
    get group() {
      return group;
    },
    reader,
    probe,
    errors,
    flow: async () => {
      const from = performance.now();
      const n = `${next++}`;
      let write = 0;
      let well = 0;
      await eventually(
        async () => {
          try {
            await commands.send(["XADD", stream, "*", "n", n]);
            await commands.send(["XADD", keys.feed(0), "*", "execution", n]);
            return write = performance.now();
          } catch {
            return false;
          }
        },
        "a write",
      );
      await eventually(
        () => {
          if (probe.usable) well ||= performance.now();
          return well > 0 && seen.has(`reader ${n}`) && seen.has(`group ${n}`);
        },
        `entry ${n} comes through`,
      );
      const after = (at: number) => Math.max(0, Math.round(at - from));
      return {
        write: after(write),
        reader: after(seen.get(`reader ${n}`)!),
        group: after(seen.get(`group ${n}`)!),
        probe: after(well),
      };
    },
    [Symbol.asyncDispose]: async () => {
      probe.stop();
      stop.abort();
      await reader.stop();
      await taking;
      await feed.close();
      for (const connection of [commands, blocked]) connection.close();
    },
  };
}
