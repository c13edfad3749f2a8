/**
 * Contends for one lock from many processes, some of which are killed or stopped, and checks what was promised:
 * `npm run prove:locks`.
 */
import { readFlags } from "./flags.ts";
import { broken, contest } from "./locks/contest.ts";
import { startRedis } from "./redis.ts";

const HELP = `Usage: npm run prove:locks -- [options]

Starts a Redis and processes that take one lock again and again. Some are killed, some are stopped past their lease.
Checks that fences rise, that no two hold the lock at once, that late writes are refused, that turns come in the order of
arrival, and that nobody is forgotten; prints how long a handover takes. Exit code 1 when a promise was broken.

  --grants <n>      how often the lock is to be granted [20000]
  --processes <n>   [8]
  --contenders <n>  in each process [8]
  --kills <n>       processes that are killed [40]
  --stops <n>       holders that are stopped past their lease [10]
  --ttl <ms>        of the lease [2000]
  --limit <s>       when it is given up [900]
  -h, --help        this text
`;

const { limit, ttl, ...sizes } = readFlags(
  HELP,
  { grants: 20_000, processes: 8, contenders: 8, kills: 40, stops: 10, ttl: 2000, limit: 900 },
  { least: { kills: 0, stops: 0 } },
);
process.exitCode = await main();

async function main(): Promise<number> {
  await using redis = await startRedis({ json: false });
  const options = {
    url: redis.url,
    ...sizes,
    ttlMs: ttl,
    limitMs: limit * 1000,
    say: (line: string) => console.log(line),
  };
  const report = await contest(options);
  const { handoversMicros, grants, killed, stopped, lateWritesRefused, twoHolders, forgotten } = report;
  const sorted = handoversMicros.sort((a, b) => a - b);
  const at = (part: number) => ((sorted[Math.floor(sorted.length * part)] ?? NaN) / 1000).toFixed(2);
  console.log(
    `${grants} grants in ${report.seconds.toFixed(1)} s, ${options.processes * options.contenders} contenders`,
  );
  console.log(`${killed} processes killed, ${stopped} holders stopped, ${lateWritesRefused} late writes refused`);
  console.log(`${twoHolders} times two holders, ${report.fencesThatFell} fences that fell, ${forgotten} forgotten`);
  console.log(`${report.ordered} turns looked at, the worst ${report.worstPlace} places off`);
  console.log(`handover: median ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  const faults = broken(report, options);
  for (const fault of faults) console.log(`broken: ${fault}`);
  return faults.length === 0 ? 0 : 1;
}
