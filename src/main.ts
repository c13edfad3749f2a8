#!/usr/bin/env node
/**
 * The composition root: configuration → store → catalog, app, roles; closed in reverse.
 *
 * Exit codes: 0 after a shutdown that was asked for, 1 when it could not start or broke, 2 for a wrong setting.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { AuditTrail } from "./audit/audit_trail.ts";
import { createApp, createHealthApp } from "./http/app.ts";
import { Archiver } from "./feed/archiver.ts";
import { commandLines, runCommand } from "./cli/commands.ts";
import { historyHealth } from "./feed/history.ts";
import { type Config, ConfigError, loadConfig, processCount } from "./config/config.ts";
import { helpText } from "./config/help_text.ts";
import { Backtester } from "./engine/backtest.ts";
import { listen, type Listener } from "./http/server.ts";
import { withArchive } from "./storage/archived_store.ts";
import type { Store } from "./storage/store.ts";
import { createRoles } from "./start/roles.ts";
import { openWings } from "./start/caches.ts";
import { openFallback, withFallback } from "./start/fallback.ts";
import { loadWorkflows } from "./start/load_workflows.ts";
import { announce, askForMetrics, endAtSignals, processNumber, stopSignal, tellCounted } from "./start/own_process.ts";
import { runProcesses } from "./start/processes.ts";
import { keptSeconds, openHistory, openStore, StartError } from "./start/stores.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import type { LocalRunner } from "./execution/short_way.ts";
import { createSubmit } from "./execution/submit.ts";
import { createGuardedFetch } from "./nodes/guarded_fetch.ts";
import { createRunLocked } from "./nodes/run_locked.ts";
import { createNodeTypes } from "./nodes/registry.ts";
import { pause } from "./lib/delay.ts";
import { reasonOf } from "./lib/reason.ts";
import { ExpressionThreads } from "./expression/threads/expression_threads.ts";
import { WorkflowCatalog } from "./workflow/catalog.ts";

/** How long the last answers of a shutdown may take to go out, in milliseconds. */
const ANSWER_MS = 500;

/** Resolves with the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
  const code = await runCommand(args);
  if (code !== undefined) return code;
  endAtSignals();
  const [argument] = args;
  if (argument !== undefined) {
    const isHelp = argument === "-h" || argument === "--help";
    const isVersion = argument === "-v" || argument === "--version";
    if (!isHelp && !isVersion) throw new ConfigError(`Unknown argument "${argument}": see millrace --help`);
    console.log(isHelp ? helpText(commandLines()) : version);
    return 0;
  }
  const instance = `${hostname()}-${crypto.randomUUID().slice(0, 8)}`;
  const config = loadConfig(process.env, { instance, process: processNumber });
  const logger = createLogger({ level: config.logLevel, instance: config.instance });
  const count = processCount(config, availableParallelism());
  if (count > 1 && processNumber === undefined) {
    return await runProcesses({ count, instance: config.instance, logger });
  }
  const store = await openStore(config, logger);
  try {
    await serve({ config, logger, store, version, count });
  } finally {
    await store[Symbol.asyncDispose]();
  }
  return 0;
}

/** Serves as one of `count` processes on the port. */
async function serve(
  parts: { config: Config; logger: Logger; store: Store; version: string; count: number },
): Promise<void> {
  const { config, logger, store, version, count } = parts;
  const metrics = createMetrics({ ofAll: askForMetrics() });
  tellCounted(metrics.counted);
  metrics.watchWaiters(() => store.replies.size);
  await using wings = openWings({ store, instance: config.instance, metrics, logger });
  await using audit = new AuditTrail({
    log: store.audit,
    now: () => store.clock.now(),
    onError: (error) => logger.warn({ error }, "audit"),
  });
  // One processor stays with the threads that answer everybody.
  await using expressions = new ExpressionThreads({
    threads: Math.floor((availableParallelism() - 1) / count),
    onError: (error) => logger.error({ error }, "a thread for expressions died"),
  });
  const limits = { timeoutMs: config.expressionTimeoutMs, runner: expressions };
  await using archive = await openHistory(config, logger);
  if (archive !== undefined) metrics.watchArchive(() => store.archiveFeed.backlog().catch(() => undefined));
  const readStore = archive === undefined ? store : withArchive(store, archive);
  const catalog = new WorkflowCatalog({
    store: readStore.workflows,
    nodeTypes: createNodeTypes({
      fetch: createGuardedFetch({ allow: config.httpAllow }),
      caches: wings.caches,
      secretNames: new Set(config.secrets.keys()),
      maxOutputBytes: config.outputLimitBytes,
    }),
    limits,
    runLocked: createRunLocked(wings.locks),
    takeTurn: (...call) => deps.store.rateLimits.turn(...call),
    maxOutputBytes: config.outputLimitBytes,
    onError: (error) => logger.error({ error }, "workflow"),
  });
  await catalog.start();
  if (config.workflowsDir !== undefined) await loadWorkflows(config.workflowsDir, { catalog, logger });

  const drain = new AbortController();
  const archiver = archive !== undefined && config.roles.has("assembler")
    ? new Archiver({
      feed: store.archiveFeed,
      log: store.log,
      archive,
      workflows: readStore.workflows,
      onError: (error) => logger.warn({ error }, "history"),
    })
    : undefined;
  const local = config.localFirst
    ? {
      runner: {
        reserve: (...of: Parameters<LocalRunner["reserve"]>) => roles.local?.reserve(...of),
        wait: (...of: Parameters<LocalRunner["wait"]>) => roles.local?.wait(...of) ?? Promise.resolve(undefined),
      },
      shortWay: store.shortWay,
    }
    : undefined;
  const submit = createSubmit({ ...readStore, local, historyTtlSeconds: keptSeconds(config) });
  const fallback = config.roles.has("http")
    ? openFallback({ config, logger, store, catalog, limits, submit })
    : undefined;
  const deps = {
    config,
    store: fallback === undefined ? readStore : withFallback(readStore, fallback),
    caches: wings.caches,
    audit,
    submit: fallback?.submit ?? submit,
    ...(fallback !== undefined && { fallbackHealth: () => fallback.health() }),
    ...(archive !== undefined && {
      historyHealth: () =>
        historyHealth({ archive, archiver, feed: store.archiveFeed, backlogSeconds: keptSeconds(config) }),
    }),
    catalog,
    backtests: new Backtester({
      log: readStore.log,
      workflows: catalog,
      limits,
      outputLimitBytes: config.outputLimitBytes,
    }),
    logger,
    metrics,
    ready: () => {
      if (drain.signal.aborted) return { ready: false, reason: "It is shutting down" };
      return fallback?.active ? { ready: true } : store.ready();
    },
    info: { version },
    drainSignal: drain.signal,
  };
  const roles = createRoles({
    config,
    logger,
    store,
    catalog,
    metrics,
    limits,
    archiver,
    submit: deps.submit,
    records: readStore.log,
  });
  const app = config.roles.has("http") ? createApp(deps) : createHealthApp(deps);
  const server = await listen((request, connection) => app.fetch(request, connection), {
    hostname: config.host,
    port: config.port,
  });
  roles.start();
  fallback?.start();
  const stopped = stopSignal();
  const driver = config.redis === undefined ? "memory" : `redis (${config.redis.safeUrl}, ${store.documents})`;
  const processes = count === 1 ? "" : `${count} processes · `;
  announce(`Millrace ${version} · driver ${driver} · roles ${[...config.roles].join()} · ${processes}${server.url}`);

  const signal = await stopped;
  logger.info({ signal }, "stopping");
  drain.abort();
  // Load balancers are given the time to see that this instance is no longer ready; alone, nobody looks.
  if (signal === "SIGTERM" && config.roles.has("http") && store.driver === "redis") {
    await pause(config.drainSeconds * 1000);
  }
  const until = performance.now() + config.drainSeconds * 1000;
  // The worker outlives the callers: it may be their executions that it runs.
  const answerAll = () => {
    store.replies.close("closing");
    fallback?.closeReplies("closing");
  };
  await closeServer(server, { graceMs: config.drainSeconds * 1000, answerAll });
  await fallback?.stop();
  await roles.stop({ graceMs: Math.max(0, until - performance.now()) });
  logger.info({ signal }, "stopped");
}

/** Ends with the last answer; whoever still waits for one after `graceMs` is told that the instance goes. */
async function closeServer(server: Listener, options: { graceMs: number; answerAll: () => void }): Promise<void> {
  const timer = setTimeout(options.answerAll, options.graceMs);
  await server.close({ graceMs: options.graceMs + ANSWER_MS });
  clearTimeout(timer);
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const isPlain = error instanceof ConfigError || error instanceof StartError || isListenError(error);
  console.error(isPlain ? reasonOf(error).replace(/^/gm, "millrace: ") : error);
  process.exit(error instanceof ConfigError ? 2 : 1);
}

function isListenError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error &&
    ["listen", "bind", "getaddrinfo"].includes(String(error.syscall));
}
