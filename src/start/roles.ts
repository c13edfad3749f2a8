/**
 * What an instance does beside HTTP: worker, assembler, scheduler, each if it has the role.
 */
import type { Config } from "../config/config.ts";
import { Worker } from "../engine/worker.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { LocalRunner } from "../execution/short_way.ts";
import type { Submit } from "../execution/submit.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import type { Archiver } from "../feed/archiver.ts";
import { Assembler } from "../feed/assembler.ts";
import { FencedError } from "../lib/errors.ts";
import { Scheduler } from "../schedules/scheduler.ts";
import type { Store } from "../storage/store.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { createMetrics } from "../telemetry/metrics.ts";
import type { WorkflowCatalog } from "../workflow/catalog.ts";

/** What the roles work with. */
export interface RoleParts {
  /** The configuration; `roles` says which are started. */
  readonly config: Config;
  /** Where errors in the background are reported. */
  readonly logger: Logger;
  /** The store that all roles work on. */
  readonly store: Store;
  /** Definitions of workflows. */
  readonly catalog: WorkflowCatalog;
  /** Counts what has ended. */
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Starts executions. */
  readonly submit: Submit;
  /** What the store has, and the archive behind it. */
  readonly records: Pick<ExecutionLog, "pages" | "meta">;
  /** Limits of expressions. */
  readonly limits: ExpressionLimits;
  /** Archives what has ended, where there is a database and this instance has the role `assembler`. */
  readonly archiver: Archiver | undefined;
}

/** The roles of an instance. */
export interface Roles {
  /** Runs what this instance accepts, if it works. */
  readonly local: LocalRunner | undefined;
  start(): void;
  /** Ends them; what a worker runs has `graceMs` milliseconds to end before it is put back. */
  stop(options: { graceMs: number }): Promise<void>;
}

/** Makes the roles that the configuration names. */
export function createRoles(parts: RoleParts): Roles {
  const { archiver, config: { roles } } = parts;
  const worker = roles.has("worker") ? createWorker(parts) : undefined;
  const assembler = roles.has("assembler") ? createAssembler(parts) : undefined;
  const scheduler = roles.has("scheduler") ? createScheduler(parts) : undefined;
  return {
    local: worker?.local,
    start() {
      worker?.start();
      assembler?.start();
      archiver?.start();
      scheduler?.start();
    },
    async stop(options) {
      await scheduler?.stop();
      await worker?.stop(options);
      await assembler?.stop();
      await archiver?.stop();
    },
  };
}

function createWorker({ config, logger, store, catalog, metrics, limits, records }: RoleParts): Worker {
  const worker: Worker = new Worker({
    store,
    records,
    workflows: catalog,
    limits,
    name: config.instance,
    concurrency: config.workerConcurrency,
    localFirst: config.localFirst,
    maxDeliveries: config.maxDeliveries,
    outputLimitBytes: config.outputLimitBytes,
    onEnd: ({ executionId, workflowId, version, requestedAt }, { status, error }, durationMs) => {
      metrics.executionEnded(status, (store.clock.now() - requestedAt) / 1000);
      const ms = Math.round(durationMs * 100) / 100;
      const failure = error === undefined ? {} : { error: error.code, node: error.node, detail: error.detail };
      logger.info({ executionId, workflowId, version, status, ms, ...failure }, "execution");
    },
    onError: (error, claim) => {
      const executionId = claim?.executionId;
      if (error instanceof FencedError) logger.info({ executionId, reason: error.message }, "claim lost");
      else logger.warn({ error, executionId }, "worker");
    },
  });
  metrics.watchWorkInProgress(() => worker.running);
  return worker;
}

function createAssembler({ logger, store, catalog }: RoleParts): Assembler {
  return new Assembler({
    clock: store.clock,
    log: store.log,
    projections: store.projections,
    workflows: catalog,
    onError: (error) => logger.warn({ error }, "assembler"),
  });
}

function createScheduler({ config, logger, store, catalog, submit }: RoleParts): Scheduler {
  return new Scheduler({
    store,
    workflows: catalog,
    submit,
    idempotencyTtlSeconds: config.idempotencyTtlSeconds,
    onRun: (name, what) =>
      "executionId" in what
        ? logger.info({ ...name, ...what }, "schedule")
        : logger.warn({ ...name, ...what }, "schedule"),
    onError: (error) => logger.warn({ error }, "scheduler"),
  });
}
