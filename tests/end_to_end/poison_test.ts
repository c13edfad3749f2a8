// timeout: 300
/**
 * Executions that end their worker, beside innocent ones: real processes are killed by what they run.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pause } from "../../src/lib/delay.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { chain, type Instance, post, putWorkflow, startInstance } from "./instance.ts";

const test = suite("Poison");
const { url } = redisVariants()[0]!;

/** How an innocent's upstream answers: at once, or later than any turn but the last. */
const QUICK_MS = 20;
const SLOW_MS = 700;

for (
  const { poisons, maxDeliveries, workers } of [
    { poisons: 1, maxDeliveries: 4, workers: 1 },
    { poisons: 3, maxDeliveries: 3, workers: 2 },
    { poisons: 1, maxDeliveries: 2, workers: 1 },
  ]
) {
  test(`${poisons} beside 30 innocents, MAX_DELIVERIES=${maxDeliveries}, on ${workers} workers`, async () => {
    const since = performance.now();
    const prefix = uniquePrefix();
    const env = {
      REDIS_URL: url,
      REDIS_PREFIX: prefix,
      LEASE_SECONDS: "3",
      MAX_DELIVERIES: String(maxDeliveries),
      HTTP_ALLOW: "127.0.0.1",
      LOG_LEVEL: "warn",
    };
    const fleet = new Map<string, Instance>();
    let next = 0;
    let ends = 0;
    let closing = false;
    const http = await startInstance({ ...env, ROLES: "http" });
    const start = async () => {
      const name = `w${next++}`;
      const worker = await startInstance({ ...env, ROLES: "worker,assembler", INSTANCE_ID: name });
      fleet.set(name, worker);
    };
    const restarts: Promise<void>[] = [];
    /** Kills the worker that runs the execution, as its call would. */
    const kill = async (executionId: string) => {
      const events = await (await fetch(`${http.url}/api/executions/${executionId}/events?limit=1000`)).json();
      const started = events.events.filter(({ type }: { type: string }) => type === "execution.started");
      const name = started.at(-1).data.worker;
      const worker = fleet.get(name);
      if (worker === undefined || closing) return;
      fleet.delete(name);
      ends++;
      worker.process.kill("SIGKILL");
      await once(worker.process, "exit");
      restarts.push(start());
    };
    const upstream = createServer((request, response) => {
      const [executionId = ""] = String(request.headers["idempotency-key"]).split(":");
      response.on("error", () => {});
      if (request.url === "/poison") return void kill(executionId).catch(() => {});
      setTimeout(() => response.end("1"), request.url === "/quick" ? QUICK_MS : SLOW_MS);
    }).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const at = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    try {
      for (const kind of ["quick", "slow", "poison"]) {
        const call = { id: "call", type: "httpRequest", parameters: { url: `${at}/${kind}`, timeoutSeconds: 60 } };
        await putWorkflow(http.url, kind, chain(kind, [call], { responseMode: "onReceived" }));
      }
      const request = async (kind: string): Promise<string> =>
        (await (await post(`${http.url}/webhook/${kind}`, {})).json()).executionId;
      const [innocent, guilty]: [string[], string[]] = [[], []];
      for (let n = 0; n < 30; n++) {
        innocent.push(await request(n % 2 === 0 ? "slow" : "quick"));
        if (n % 10 === 5 && guilty.length < poisons) guilty.push(await request("poison"));
      }
      await Promise.all(Array.from({ length: workers }, start));
      const statusOf = async (id: string) => (await (await fetch(`${http.url}/api/executions/${id}`)).json()).status;
      const ended = new Map<string, string>();
      await eventually(
        async () => {
          for (const id of [...innocent, ...guilty]) {
            if (ended.has(id)) continue;
            const status = await statusOf(id);
            if (status === "completed" || status === "failed") ended.set(id, status);
          }
          if (ended.size < innocent.length + guilty.length) await pause(500);
          return ended.size === innocent.length + guilty.length;
        },
        "all end",
        { timeoutMs: 200_000 },
      );
      const { deadLetters } = await (await fetch(`${http.url}/api/dead-letters`)).json();
      assert.equal(deadLetters.map(({ executionId }: { executionId: string }) => executionId).sort(), guilty.sort());
      assert.equal(innocent.map((id) => ended.get(id)), innocent.map(() => "completed"));
      if (process.env.SHOW_TIMES) console.log(poisons, maxDeliveries, Math.round(performance.now() - since), ends);
      assert.ok(ends <= poisons * maxDeliveries, `${ends} workers ended`);
    } finally {
      closing = true;
      await Promise.all(restarts);
      upstream.close();
      upstream.closeAllConnections();
      await Promise.all([http, ...fleet.values()].map((instance) => instance.stop()));
      await removeKeys(url, prefix);
    }
  });
}

test.run();
