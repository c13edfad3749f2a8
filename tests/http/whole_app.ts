/**
 * The app with all that a process has behind it, in this one: catalog, node types, worker, a store in memory.
 *
 * @example
 * ```ts
 * await using whole = await openWholeApp({ fetch });
 * await whole.catalog.put("one", chain("one", [node]));
 * ```
 */
import type { Hono } from "hono";
import { createSubmit } from "../../src/execution/submit.ts";
import { createApp } from "../../src/http/app.ts";
import { Backtester } from "../../src/engine/backtest.ts";
import { Worker } from "../../src/engine/worker.ts";
import type { AppDeps, AppEnv } from "../../src/http/frame/deps.ts";
import { createMemoryStore } from "../../src/storage/memory/store.ts";
import type { Store } from "../../src/storage/store.ts";
import { createNodeTypes } from "../../src/nodes/registry.ts";
import { WorkflowCatalog } from "../../src/workflow/catalog.ts";
import { APP_CONFIG } from "./app_config.ts";

/** What a test may set. */
export interface WholeAppOptions {
  readonly config?: Partial<AppDeps["config"]>;
  readonly store?: Store;
  /** The worker's, if it is another one. */
  readonly workStore?: Store;
  /** Of what `createApp` is given, other parts. */
  readonly deps?: Partial<AppDeps>;
  /** What `httpRequest` calls with. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** An app that runs. */
export interface WholeApp extends AsyncDisposable {
  readonly app: Hono<AppEnv>;
  readonly store: Store;
  readonly catalog: WorkflowCatalog;
  /** What was logged, each line as JSON. */
  readonly lines: string[];
}

/** Opens one. */
export async function openWholeApp(options: WholeAppOptions = {}): Promise<WholeApp> {
  const store = options.store ?? createMemoryStore({ instance: "test", maxWaiters: 100 });
  const lines: string[] = [];
  const log = (fields: object) => void lines.push(JSON.stringify(fields));
  const catalog = new WorkflowCatalog({
    store: store.workflows,
    nodeTypes: createNodeTypes({
      fetch: options.fetch ?? fetch,
      caches: options.deps?.caches,
      secretNames: new Set(options.config?.secrets?.keys()),
    }),
  });
  await catalog.start();
  const worker = new Worker({
    store: options.workStore ?? store,
    records: store.log,
    workflows: catalog,
    name: "test",
    concurrency: 16,
    outputLimitBytes: 1_000_000,
    onEnd: (_claim, result) => log(result.error ?? {}),
  });
  worker.start();
  const app = createApp({
    config: { ...APP_CONFIG, ...options.config },
    store,
    submit: createSubmit({ ...store, historyTtlSeconds: 60 }),
    catalog,
    backtests: new Backtester({ log: store.log, workflows: catalog, outputLimitBytes: 1_000_000 }),
    logger: { debug: log, info: log, warn: log, error: log },
    ready: () => true,
    info: { version: "0.0.0" },
    ...options.deps,
  });
  return {
    app,
    store,
    catalog,
    lines,
    [Symbol.asyncDispose]: async () => {
      await worker.stop();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** A definition: a webhook at `path`, then these nodes, one after the other. */
export function chain(path: string, nodes: readonly { id: string; type: string; parameters: object }[]): object {
  const hook = { id: "hook", type: "webhook", parameters: { path, timeoutSeconds: 300 } };
  const all = [hook, ...nodes];
  const connections = all.slice(1).map(({ id }, at) => ({ from: all[at]!.id, to: id }));
  return { name: path, nodes: all, connections };
}
