/**
 * An instance with `REDIS_FALLBACK=memory`, and a Redis that can be taken away from it.
 */
import { loadConfig } from "../../src/config/config.ts";
import type { Fallback } from "../../src/execution/fallback.ts";
import { createSubmit } from "../../src/execution/submit.ts";
import { openFallback, withFallback } from "../../src/start/fallback.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import type { Store } from "../../src/storage/store.ts";
import { chain, openWholeApp, type WholeApp } from "../http/whole_app.ts";
import { eventually, WAIT_LIMIT_MS } from "../support/eventually.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { startProxy, type TcpProxy } from "../support/tcp_proxy.ts";
import type { Gates } from "./gates.ts";

/** How long Redis is away in the last test, in seconds: the proof has 600. */
export const OUTAGE_SECONDS = Number(process.env.FALLBACK_OUTAGE_SECONDS ?? 3);

/** An instance whose Redis can be taken away. */
export interface Rig extends AsyncDisposable {
  readonly whole: WholeApp;
  readonly store: Store;
  readonly fallback: Fallback;
  readonly proxy: TcpProxy;
  /** What the logger was told, by message. */
  readonly told: object[];
  away(): Promise<void>;
  back(): Promise<void>;
}

/** Opens one over a Redis behind a proxy. */
export async function openRig(env: Record<string, string> = {}): Promise<Rig> {
  const { url } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const proxy = await startProxy(Number(new URL(url).port));
  const store = await openRedisStore({ url: proxy.url, prefix, instance: "a" });
  const config = loadConfig({ REDIS_FALLBACK: "memory", REDIS_URL: url, DRAIN_SECONDS: "1", ...env }, {
    instance: "a",
  });
  const told: object[] = [];
  const line = (fields: object) => void told.push(fields);
  const logger = { debug: line, info: line, warn: line, error: line };
  const rig: { fallback?: Fallback } = {};
  const late = { sessionOf: (id: string) => rig.fallback!.sessionOf(id) } as Fallback;
  const whole = await openWholeApp({
    store: withFallback(store, late),
    workStore: store,
    deps: {
      submit: (submission) => rig.fallback!.submit(submission),
      fallbackHealth: () => rig.fallback!.health(),
      ready: () => rig.fallback!.active ? { ready: true } : store.ready(),
    },
  });
  const submit = createSubmit({ ...store, historyTtlSeconds: 3600 });
  const fallback = rig.fallback = openFallback({ config, logger, store, catalog: whole.catalog, limits: {}, submit })!;
  fallback.start();
  return {
    whole,
    store,
    fallback,
    proxy,
    told,
    async away() {
      proxy.newLinks("refused");
      proxy.cut();
      await eventually(() => store.away(), "Redis is away");
    },
    async back() {
      proxy.newLinks("work");
      // A long outage leaves much to hand over.
      const timeoutMs = WAIT_LIMIT_MS + OUTAGE_SECONDS * 1000;
      await eventually(() => !store.away() && fallback.health().status === "idle", "all was handed over", {
        timeoutMs,
      });
    },
    async [Symbol.asyncDispose]() {
      proxy.newLinks("work");
      await fallback.stop();
      await whole[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await removeKeys(url, prefix);
    },
  };
}

/** A workflow that waits at a gate, in Redis and in memory, until the test has seen that Redis is away, or back. */
export async function putGated(
  { catalog }: WholeApp,
  gates: Gates,
  { name, ...settings }: { name: string; timeoutSeconds?: number },
) {
  const sum = { id: "sum", type: "transform", parameters: { output: { total: "{{ $trigger.body.n + 1 }}" } } };
  const gated = chain(name, [sum, gates.node(name), { ...sum, id: "last" }]) as { nodes: { parameters: object }[] };
  gated.nodes[0]!.parameters = { path: name, timeoutSeconds: 600 };
  await catalog.put(name, { ...gated, settings: { ...settings, fallback: true } });
}
