/**
 * Measures what reads of sessions and locks take, next to a bare GET in the same run: `npm run bench:wings -- --help`.
 */
import { createClient } from "redis";
import { Pool } from "undici";
import { Sessions } from "../src/sessions/sessions.ts";
import { openRedisStore } from "../src/storage/redis/store.ts";
import { startProcess } from "./bench/process.ts";
import { markdown } from "./bench/table.ts";
import { withoutCoverage } from "./command.ts";
import { readFlags } from "./flags.ts";
import { startRedis } from "./redis.ts";
import { measureHandovers } from "./wings/handover.ts";
import { measureReads, type Read } from "./wings/measures.ts";

const HELP = `Usage: npm run bench:wings -- [options]

Reads a session of 1 KB and a lock, one read after the other: by the library, and over HTTP from an instance. Next to them
a bare GET of Redis for the same bytes, from this process and behind the same HTTP server. Redis, the instance and the
server are started here. Then two instances hand a lock to each other.

  --reads <n>     of each kind [2000]
  --rounds <n>    in which they take turns [10]
  --plain         a Redis without RedisJSON
  -h, --help      this text
`;

const { reads, rounds, plain } = readFlags(HELP, { reads: 2000, rounds: 10 }, { switches: ["plain"] });
await main();
process.exit();

async function main(): Promise<void> {
  await using redis = await startRedis({ json: !plain });
  const { REDIS_URL: _, ...inherited } = withoutCoverage();
  const env = { ...inherited, REDIS_URL: redis.url, PORT: "0", LOG_LEVEL: "warn", DRAIN_SECONDS: "0", KEY: "bare" };
  await using store = await openRedisStore({ url: redis.url, instance: "bench" });
  const sessions = new Sessions({ store: store.sessions });
  const data = { cart: Array.from({ length: 20 }, (_, n) => ({ id: `item-${n}`, price: n / 4, count: n })) };
  const { session } = await sessions.put("bench", { data });
  const client = await createClient({ url: redis.url, RESP: 2 }).on("error", () => {}).connect();
  await client.set("bare", JSON.stringify(session));
  await using instance = await startProcess("http", ["src/main.ts"], { env: { ...env, ROLES: "http" } });
  await using bare = await startProcess("http", ["scripts/wings/bare_get.ts"], { env });
  const origin = new URL(instance.url).origin;
  await call(`${origin}/api/locks/bench`, "POST", { owner: "bench", ttlMs: 3_600_000 });
  const over = http();
  const kinds: Read[] = [
    { name: "Redis GET", read: () => client.get("bare") },
    { name: "sessions.get()", read: () => sessions.get("bench") },
    { name: "GET behind HTTP", read: over(new URL(bare.url).origin, "/get") },
    { name: "GET /api/sessions/bench", read: over(origin, "/api/sessions/bench") },
    { name: "GET /api/sessions/bench/data/cart/0/price", read: over(origin, "/api/sessions/bench/data/cart/0/price") },
    { name: "GET /api/locks/bench", read: over(origin, "/api/locks/bench") },
  ];
  // So that all of it is compiled.
  await measureReads(kinds, { reads: Math.min(500, reads), rounds: 1 });
  const figures = await measureReads(kinds, { reads, rounds });
  const rows = figures.map(({ name, p50, p99 }) => [name, `${p50.toFixed(3)} ms`, `${p99.toFixed(3)} ms`]);
  console.log(markdown(["one read at a time", "p50", "p99"], rows));
  console.log(`\n${reads} reads each, ${rounds} rounds, sessions as ${store.documents}; Node ${process.version}`);
  await using other = await openRedisStore({ url: redis.url, instance: "other" });
  await measureHandovers([store, other], { count: Math.min(200, reads) });
  const times = await measureHandovers([store, other], { count: reads });
  const at = (part: number) => times[Math.floor(times.length * part)]!.toFixed(3);
  console.log(`\n${reads} handovers of a lock between two instances: median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  client.destroy();
}

/** Reads over one connection an origin. */
function http(): (origin: string, path: string) => () => Promise<void> {
  const pools = new Map<string, Pool>();
  return (origin, path) => {
    const pool = pools.get(origin) ?? new Pool(origin, { connections: 1 });
    pools.set(origin, pool);
    return async () => {
      const { statusCode, body } = await pool.request({ path, method: "GET" });
      await body.dump();
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`);
    };
  };
}

async function call(url: string, method: string, body: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}
