/**
 * `REDIS_FALLBACK=memory`: puts together what goes on in memory while Redis is away.
 */
import type { Config } from "../config/config.ts";
import { Worker } from "../engine/worker.ts";
import { Fallback } from "../execution/fallback.ts";
import type { FallbackReport } from "../execution/hand_over.ts";
import type { RateLimits } from "../execution/rate_limits.ts";
import { MemoryRateLimits } from "../storage/memory/rate_limits.ts";
import { FallbackSession } from "../execution/fallback_session.ts";
import { fallbackTail } from "../execution/fallback_tail.ts";
import { resultNotFound, type Submit } from "../execution/submit.ts";
import { waitForResult } from "../execution/wait_on_log.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import { overlay } from "../lib/overlay.ts";
import { createMemoryStore } from "../storage/memory/store.ts";
import type { Store } from "../storage/store.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { WorkflowCatalog } from "../workflow/catalog.ts";
import { keptSeconds } from "./stores.ts";

/** What {@linkcode openFallback} takes. */
export interface FallbackParts {
  /** The configuration. */
  readonly config: Config;
  /** Where what ran in both places, and errors, are reported. */
  readonly logger: Logger;
  /** The store in Redis. */
  readonly store: Store;
  /** Definitions, which stay in memory while Redis is away. */
  readonly catalog: WorkflowCatalog;
  /** Limits of expressions. */
  readonly limits: ExpressionLimits;
  /** The store's own way. */
  readonly submit: Submit;
}

/** The fallback; `undefined` where there is none to be. */
export function openFallback({ submit, ...parts }: FallbackParts): Fallback | undefined {
  const { config, logger, store } = parts;
  const { arrivals } = store;
  if (config.redisFallback !== "memory" || arrivals === undefined) return undefined;
  return new Fallback({
    submit,
    isAway: () => store.away(),
    arrivals,
    maxExecutions: config.fallbackExecutions,
    maxBytes: config.fallbackBytes,
    follow: async (executionId, options) => {
      const reply = await waitForResult(store, executionId, { ...options, signal: undefined });
      if (reply === undefined) throw resultNotFound(executionId);
      return reply;
    },
    open: ({ bytes }) => openSession({ ...parts, bytes }),
    onReport: (report) => tell(logger, report),
  });
}

/** How often what has expired in memory is dropped, in milliseconds. */
const SWEEP_MS = 1000;

/** A store of its own for each outage, with a worker. */
function openSession(parts: Omit<FallbackParts, "submit"> & { bytes: number }): FallbackSession {
  const { bytes, config, logger, store, catalog, limits } = parts;
  const memory = createMemoryStore({
    instance: config.instance,
    maxWaiters: config.maxWaiters,
    queueLimit: config.queueLimit,
    maxDeliveries: config.maxDeliveries,
    logLimitBytes: config.logLimitBytes,
    historyTtlSeconds: keptSeconds(config),
    retentionBytes: bytes,
    keepsEnded: true,
    onGone: (executionId) => session.drop(executionId),
  });
  const worker = new Worker({
    store: memory,
    workflows: catalog,
    limits,
    name: config.instance,
    concurrency: config.workerConcurrency,
    maxDeliveries: config.maxDeliveries,
    outputLimitBytes: config.outputLimitBytes,
    onError: (error, claim) => logger.warn({ error, executionId: claim?.executionId }, "worker of the fallback"),
  });
  worker.start();
  const sweeping = setInterval(() => void memory.projections.sweep(), SWEEP_MS);
  const session = new FallbackSession({
    log: memory.log,
    replies: memory.replies,
    bytes: () => memory.bytes(),
    makeId: (options) => store.log.makeId(options),
    historyTtlSeconds: keptSeconds(config),
    stopWorker: () => worker.stop({ graceMs: config.drainSeconds * 1000 }),
    [Symbol.asyncDispose]: () => {
      clearInterval(sweeping);
      return memory[Symbol.asyncDispose]();
    },
  });
  return session;
}

/** The store, whose reads of what is in memory go there; each instance counts calls for itself meanwhile. */
export function withFallback<T extends Pick<Store, "away" | "log" | "rateLimits">>(store: T, fallback: Fallback): T {
  const logOf = (executionId: string) => fallback.sessionOf(executionId)?.log ?? store.log;
  const ports = { log: store.log, sessionOf: (executionId: string) => fallback.sessionOf(executionId) };
  const log = overlay(store.log, {
    meta: (id) => logOf(id).meta(id),
    pages: (id, options) => logOf(id).pages(id, options),
    read: (id, options) => logOf(id).read(id, options),
    tail: (id, options) => fallbackTail(ports, id, options),
    result: (id) => logOf(id).result(id),
    cancel: (id, options) => logOf(id).cancel(id, options),
    pause: (id) => logOf(id).pause(id),
    resume: (id) => logOf(id).resume(id),
  });
  const inMemory = new MemoryRateLimits();
  const counting = () => store.away() ? inMemory : store.rateLimits;
  const rateLimits: RateLimits = {
    admit: (name, limit) => counting().admit(name, limit),
    turn: (...call) => counting().turn(...call),
  };
  return { ...store, log, rateLimits };
}

function tell(logger: Logger, report: FallbackReport): void {
  if (report.what === "failed") logger.warn({ error: report.error }, "fallback");
  else if (report.what === "ran twice" || report.what === "key used twice") logger.warn(report, "fallback");
  else logger.info(report, "fallback");
}
