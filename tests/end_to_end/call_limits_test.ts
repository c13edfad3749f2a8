// timeout: 240
/**
 * `rateLimit` of a node on real processes: two instances on one Redis call a server that counts.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { chain, post, putWorkflow, startInstance, untilKnown, untilServed } from "./instance.ts";

const CALLS = 16;
const [LIMIT, PER_SECONDS] = [4, 1];
/** How far Redis's clock and the one of this process may part while the test runs, in milliseconds. */
const CLOCKS_MS = 20;

/** Calls a webhook once, however often it is sent, and does not wait for the end. */
function called(url: string): Promise<Response> {
  const headers = { prefer: "respond-async", "idempotency-key": crypto.randomUUID() };
  return untilServed(() => post(url, {}, headers));
}

test("no more calls reach a server than the limit lets out, of all instances, and all that wait come to it", async () => {
  const { url } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const env = { REDIS_URL: url, REDIS_PREFIX: prefix, LOG_LEVEL: "warn", HTTP_ALLOW: "127.0.0.1", DRAIN_SECONDS: "0" };
  const arrivals: number[] = [];
  const server = createServer((_request, response) => {
    arrivals.push(performance.now());
    response.setHeader("content-type", "application/json").end("7");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const instances = await Promise.all([startInstance(env), startInstance(env)]);
  try {
    const rateLimit = { key: "bank", limit: LIMIT, perSeconds: PER_SECONDS };
    const call = { id: "call", type: "httpRequest", parameters: { url: `http://127.0.0.1:${port}/` }, rateLimit };
    for (const id of ["one", "two"]) {
      await putWorkflow(instances[0]!.url, id, chain(id, [call]));
      await untilKnown(instances[1]!.url, id);
    }
    const begin = performance.now();
    const ids = await Promise.all(Array.from({ length: CALLS }, async (_, n) => {
      const at = instances[n % 2]!;
      const response = await called(`${at.url}/webhook/${n % 4 < 2 ? "one" : "two"}`);
      assert.is(response.status, 202, await response.text());
      return response.headers.get("execution-id")!;
    }));
    for (const id of ids) {
      const api = `${instances[1]!.url}/api/executions/${id}`;
      const result = await untilServed(() => fetch(`${api}/result`, { headers: { prefer: "wait=120" } }));
      assert.equal([result.status, (await result.json()).status], [200, "completed"]);
    }
    // A call arrives after it was let out. So whatever the way takes, no more have arrived by a time than were let out.
    for (const [index, time] of arrivals.entries()) {
      const most = LIMIT * (Math.floor((time - begin + CLOCKS_MS) / (PER_SECONDS * 1000)) + 1);
      assert.ok(index + 1 <= most, `${index + 1} calls within ${Math.round(time - begin)} ms`);
    }
    assert.ok(arrivals.length >= CALLS, `${arrivals.length} calls`);
    // What waits for long is told in its log, holds no worker, and can be cancelled.
    const rare = { ...call, rateLimit: { limit: 1, perSeconds: 86_400 } };
    await putWorkflow(instances[0]!.url, "rare", chain("rare", [rare], { timeoutSeconds: 600 }));
    const first = await called(`${instances[0]!.url}/webhook/rare`);
    const result = await untilServed(() =>
      fetch(`${instances[0]!.url}/api/executions/${first.headers.get("execution-id")}/result`, {
        headers: { prefer: "wait=120" },
      })
    );
    assert.is((await result.json()).status, "completed");
    await untilKnown(instances[1]!.url, "rare");
    const waiting = await called(`${instances[1]!.url}/webhook/rare`);
    const api = `${instances[0]!.url}/api/executions/${waiting.headers.get("execution-id")}`;
    const typesOf = async () => {
      const accept = { headers: { accept: "application/json" } };
      const { events } = await (await untilServed(() => fetch(`${api}/events`, accept))).json();
      return events.map(({ type }: { type: string }) => type) as string[];
    };
    await eventually(async () => (await typesOf()).includes("node.waiting"), "the wait in the log");
    const cancelled = await untilServed(() => fetch(`${api}/cancel`, { method: "POST" }));
    assert.is(cancelled.status, 200, await cancelled.text());
    assert.is((await typesOf()).at(-1), "execution.cancelled");
  } finally {
    await Promise.all(instances.map((instance) => instance.stop()));
    server.close();
    server.closeAllConnections();
    await removeKeys(url, prefix);
  }
});

test.run();
