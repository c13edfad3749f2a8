/**
 * Patches a few sessions from two instances at once and checks that nothing was lost: `npm run prove:sessions -- --help`.
 */
import { Pool } from "undici";
import { startMillrace } from "./bench/millrace.ts";
import { readFlags } from "./flags.ts";
import { startRedis } from "./redis.ts";

const HELP = `Usage: npm run prove:sessions -- [options]

Starts a Redis with RedisJSON and one without, two instances on each, and sends patches, all at once, to sessions: each of
a field of its own, half as merge patches (RFC 7396), half as JSON patches (RFC 6902). Then reads every session and looks
for every field. Exit code 1 when one is missing, or an answer was not 200.

  --patches <n>       on each Redis [10000]
  --sessions <n>      [100]
  --connections <n>   to each instance [128]
  -h, --help          this text
`;

const { patches, sessions: count, connections } = readFlags(HELP, {
  patches: 10_000,
  sessions: 100,
  connections: 128,
});
let faults = 0;
for (const json of [true, false]) faults += await prove(json);
process.exit(faults === 0 ? 0 : 1);

async function prove(json: boolean): Promise<number> {
  await using redis = await startRedis({ json });
  await using millrace = await startMillrace({ redisUrl: redis.url, instances: 2 });
  const pools = millrace.origins.map((origin) => new Pool(origin, { connections }));
  const call = async (at: number, method: "GET" | "PUT" | "PATCH", path: string, type?: string, body?: unknown) => {
    const sent = type === undefined ? {} : { headers: { "content-type": type }, body: JSON.stringify(body) };
    const response = await pools[at % pools.length]!.request({ method, path, ...sent });
    return { status: response.statusCode, body: await response.body.json() as { data: Record<string, number> } };
  };
  const path = (at: number) => `/api/sessions/proof-${at % count}`;
  await Promise.all(Array.from({ length: count }, (_, at) => call(at, "PUT", path(at), "application/json", {})));
  const startedAt = performance.now();
  const statuses = await Promise.all(Array.from({ length: patches }, async (_, at) => {
    const name = `field-${at}`;
    // Whichever instance and whichever session it is, both kinds come to it.
    const answer = Math.floor(at / (2 * count)) % 2 === 0
      ? call(at, "PATCH", path(at >> 1), "application/merge-patch+json", { data: { [name]: at } })
      : call(at, "PATCH", path(at >> 1), "application/json-patch+json", [
        { op: "add", path: `/data/${name}`, value: at },
      ]);
    return (await answer).status;
  }));
  const seconds = (performance.now() - startedAt) / 1000;
  const found = new Set<string>();
  for (let at = 0; at < count; at++) {
    const { body } = await call(at, "GET", path(at));
    for (const [name, value] of Object.entries(body.data)) found.add(`${at} ${name} ${value}`);
  }
  let missing = 0;
  for (let at = 0; at < patches; at++) if (!found.has(`${(at >> 1) % count} field-${at} ${at}`)) missing++;
  const refused = statuses.filter((status) => status !== 200).length;
  await Promise.all(pools.map((pool) => pool.close()));
  console.log(
    `${
      json && redis.json ? "RedisJSON" : "strings"
    }: ${patches} patches of ${count} sessions through two instances in ` +
      `${seconds.toFixed(1)} s; ${refused} not answered 200, ${missing} fields missing of ${found.size}`,
  );
  return missing + refused;
}
