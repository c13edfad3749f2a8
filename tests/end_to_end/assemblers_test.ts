// timeout: 300
/**
 * Assemblers that are killed while work goes on: what they leave is what a rebuild makes. `KILLS` says how often.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { dayOf } from "../../src/feed/statistics.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import type { Store } from "../../src/storage/store.ts";
import { eventually } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { chain, type Instance, post, putWorkflow, runMain, startInstance, untilServed } from "./instance.ts";

const KILLS = Number(process.env.KILLS ?? 3);

/** What readers get of the projections. */
async function projected({ clock, projections, statistics }: Store, ids: readonly string[]) {
  return {
    list: (await projections.list({ limit: 500 })).executions,
    completed: (await projections.list({ limit: 500, status: "completed" })).executions.length,
    counts: await statistics.countByStatus(),
    active: await statistics.active({ limit: 500 }),
    days: await statistics.days("work", [dayOf(clock.now() - 60_000), dayOf(clock.now())]),
    documents: await Promise.all(ids.map((id) => projections.progress(id))),
  };
}

test(`lists, counters and documents after ${KILLS} kills of assemblers are what a rebuild makes`, async () => {
  const { url } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const env = { REDIS_URL: url, REDIS_PREFIX: prefix, LOG_LEVEL: "warn" };
  const running: Instance[] = [];
  const start = async (roles: string) => {
    const instance = await startInstance({ ...env, ROLES: roles });
    running.push(instance);
    return instance;
  };
  const store = await openRedisStore({ url, prefix, instance: "checker" });
  let isOver = false;
  try {
    const [front, first] = await Promise.all([start("http,worker"), start("assembler")]);
    await putWorkflow(front!.url, "work", {
      ...chain("work", [
        { id: "wait", type: "delay", parameters: { seconds: "{{ body.seconds }}" } },
        { id: "sum", type: "transform", parameters: { output: 1 } },
        { id: "more", type: "delay", parameters: { seconds: "{{ $trigger.body.seconds }}" } },
      ], { responseMode: "onReceived" }),
      settings: { timeoutSeconds: 3600 },
    });
    const ids: string[] = [];
    const load = (async () => {
      for (let n = 0; !isOver; n++) {
        const seconds = n % 7 === 0 ? 600 : (n % 4) / 5;
        const response = await untilServed(() => post(`${front!.url}/webhook/work`, { seconds }));
        ids.push((await response.json()).executionId);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    })();
    let assembler = first!;
    for (let kill = 0; kill < KILLS; kill++) {
      const next = start("assembler");
      await new Promise((resolve) => setTimeout(resolve, 300 + 700 * Math.random()));
      assembler.process.kill("SIGKILL");
      assembler = await next;
    }
    isOver = true;
    await load;
    const waiting = ids.filter((_, n) => n % 7 === 0).length;
    const settled = async () => {
      const { counts, documents } = await projected(store, ids);
      return counts.running === waiting && counts.pending === 0 && counts.completed === ids.length - waiting &&
        documents.filter((kept) => kept?.document.status === "running").length === waiting;
    };
    await eventually(settled, "all that was taken by the killed, taken over");
    await assembler.stop();
    const before = await projected(store, ids);
    const { code, stdout } = await runMain(["rebuild"], { MILLRACE_URL: front!.url });
    assert.equal([code, stdout], [0, `Rebuilt from ${ids.length} executions\n`]);
    const after = await projected(store, ids);
    // What has ended keeps its document for a minute only.
    for (const [n, kept] of before.documents.entries()) {
      if (after.documents[n] === undefined && kept !== undefined) assert.is.not(kept.document.status, "running");
      else assert.equal(after.documents[n], kept, ids[n]);
    }
    assert.equal({ ...after, documents: [] }, { ...before, documents: [] });
    console.log(`${ids.length} executions, ${after.documents.filter(Boolean).length} documents`);
  } finally {
    isOver = true;
    for (const instance of running) instance.process.kill("SIGKILL");
    await store[Symbol.asyncDispose]();
    await removeKeys(url, prefix);
  }
});

test.run();
