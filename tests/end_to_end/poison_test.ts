// timeout: 900
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
import { chain, type Instance, post, putWorkflow, startInstance, untilServed } from "./instance.ts";

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
    /** By name, from the first moment: a worker takes executions before it is known here to have started. */
    const fleet = new Map<string, Promise<Instance>>();
    let next = 0;
    let ends = 0;
    let closing = false;
    const http = await startInstance({ ...env, ROLES: "http" });
    const start = async () => {
      const name = `w${next++}`;
      const starting = startInstance({ ...env, ROLES: "worker,assembler", INSTANCE_ID: name });
      fleet.set(name, starting);
      await starting;
    };
    const restarts: Promise<void>[] = [];
    const read = async (path: string) => await (await untilServed(() => fetch(`${http.url}/api/${path}`))).json();
    /** Kills the worker that runs the execution, as its call would. */
    const kill = async (executionId: string) => {
      const { events } = await read(`executions/${executionId}/events?limit=1000`);
      const started = events.filter(({ type }: { type: string }) => type === "execution.started");
      const name = started.at(-1).data.worker;
      const starting = fleet.get(name);
      if (starting === undefined || closing) return;
      fleet.delete(name);
      ends++;
      const worker = await starting;
      worker.process.kill("SIGKILL");
      await once(worker.process, "exit");
      if (!closing) restarts.push(start());
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
        const call = { id: "call", type: "httpRequest", parameters: { url: `${at}/${kind}`, timeoutSeconds: 600 } };
        await putWorkflow(http.url, kind, chain(kind, [call], { responseMode: "onReceived" }));
      }
      const request = async (kind: string): Promise<string> => {
        // What is asked for again is one execution.
        const key = { "idempotency-key": crypto.randomUUID() };
        return (await (await untilServed(() => post(`${http.url}/webhook/${kind}`, {}, key))).json()).executionId;
      };
      const [innocent, guilty]: [string[], string[]] = [[], []];
      for (let n = 0; n < 30; n++) {
        innocent.push(await request(n % 2 === 0 ? "slow" : "quick"));
        if (n % 10 === 5 && guilty.length < poisons) guilty.push(await request("poison"));
      }
      await Promise.all(Array.from({ length: workers }, start));
      const endOf = async (id: string): Promise<string | undefined> => {
        const { status } = await read(`executions/${id}`);
        if (status === "completed" || status === "failed") return status;
        await pause(200);
        return undefined;
      };
      const ended = new Map<string, string>();
      // One after the other, each with a wait of its own: the whole takes as long as the machine needs.
      for (const id of [...innocent, ...guilty]) ended.set(id, await eventually(() => endOf(id), `${id} ends`));
      const { deadLetters } = await read("dead-letters");
      assert.equal(deadLetters.map(({ executionId }: { executionId: string }) => executionId).sort(), guilty.sort());
      assert.equal(innocent.map((id) => ended.get(id)), innocent.map(() => "completed"));
      if (process.env.SHOW_TIMES) console.log(poisons, maxDeliveries, Math.round(performance.now() - since), ends);
      assert.ok(ends <= poisons * maxDeliveries, `${ends} workers ended`);
    } finally {
      closing = true;
      await Promise.all(restarts);
      upstream.close();
      upstream.closeAllConnections();
      await Promise.all([http, ...await Promise.all(fleet.values())].map((instance) => instance.stop()));
      await removeKeys(url, prefix);
    }
  });
}

test.run();
