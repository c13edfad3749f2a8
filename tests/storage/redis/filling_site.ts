/**
 * A site on a Redis that a test fills: its webhooks, its store, and how much room it has.
 */
import { createSubmit } from "../../../src/execution/submit.ts";
import { createApp } from "../../../src/http/app.ts";
import { loadConfig } from "../../../src/config/config.ts";
import { Worker } from "../../../src/engine/worker.ts";
import type { Store } from "../../../src/storage/store.ts";
import { openRedisStore } from "../../../src/storage/redis/store.ts";
import { createNodeTypes } from "../../../src/nodes/registry.ts";
import { RedisConnection } from "../../../src/storage/redis/connection/connection.ts";
import { WorkflowCatalog } from "../../../src/workflow/catalog.ts";
import { chain } from "../../end_to_end/instance.ts";
import { eventually } from "../../support/eventually.ts";

/** Bytes of a mebibyte. */
export const MB = 1024 * 1024;

/** Opens it. What `post` calls runs from the first call on. */
export async function openSite(url: string) {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const store: Store = await openRedisStore({ url, instance: "a", onError });
  const control = await RedisConnection.open({ url });
  const nodeTypes = createNodeTypes({ fetch, maxOutputBytes: 8 * MB });
  const catalog = new WorkflowCatalog({ store: store.workflows, nodeTypes, onError });
  await catalog.start();
  const transform = (id: string, output: string) => ({ id, type: "transform", parameters: { output } });
  await catalog.put("echo", chain("echo", [transform("same", "ok")], { timeoutSeconds: 120 }));
  await catalog.put(
    "grow",
    chain("grow", [
      { id: "wait", type: "delay", parameters: { seconds: 15 } },
      transform("big", "{{ $pad(body, 200000, 'x') }}"),
    ]),
  );
  const worker = new Worker({
    store,
    workflows: catalog,
    name: "a",
    concurrency: 64,
    outputLimitBytes: 8 * MB,
    onError,
  });
  let isWorking = false;
  let own = 0;
  /** How often INFO was asked, but for here. */
  const watched = async () => {
    const info = await control.send<string>(["INFO", "commandstats"]);
    return Number(/^cmdstat_info:calls=(\d+)/m.exec(info)![1]) - own++;
  };
  const app = createApp({
    config: {
      ...loadConfig({}, { instance: "a" }),
      bodyLimitBytes: 4 * MB,
      idempotencyTtlSeconds: 60,
    },
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: 3600 }),
    catalog,
    logger: { debug() {}, info() {}, warn() {}, error: (fields) => onError(fields) },
    ready: () => store.ready(),
    info: { version: "0.0.0" },
  });
  return {
    store,
    control,
    errors,
    post: async (path: string, body: string) => {
      if (!isWorking) worker.start();
      isWorking = true;
      const response = await app.request(`http://localhost/webhook/${path}`, {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body,
      });
      const text = await response.text();
      const code = response.status === 200 ? undefined : JSON.parse(text).code as string;
      return { status: response.status, code, retryAfter: response.headers.get("retry-after") };
    },
    /** Lets Redis use so many bytes more than it does. */
    limit: async (bytes: number) => {
      await control.send(["CONFIG", "SET", "maxmemory", String(await used(control) + bytes)]);
      // The watch asks by INFO, as nothing else does; the first that is counted may have been answered before.
      const before = await watched();
      await eventually(async () => await watched() >= before + 2, "the watch has seen it");
    },
    /** Leaves Redis no room at all. */
    fill: () => control.send(["CONFIG", "SET", "maxmemory", "1"]),
    /** How many commands were refused because it was full. */
    refused: async () => {
      const info = await control.send<string>(["INFO", "errorstats"]);
      return Number(/^errorstat_OOM:count=(\d+)/m.exec(info)?.[1] ?? 0);
    },
    [Symbol.asyncDispose]: async () => {
      if (isWorking) await worker.stop();
      await store[Symbol.asyncDispose]();
      control.close();
    },
  };
}

/** Bytes that Redis uses. */
export async function used(control: RedisConnection): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await control.send<string>(["INFO", "memory"]))![1]);
}
