/**
 * The embedded driver: everything in this process's memory, no server. The default when no Redis is configured.
 *
 * @example
 * ```ts
 * await using store = createMemoryStore({ instance: "local" });
 * ```
 */
import { processClock } from "../../lib/clock.ts";
import type { Store } from "../store.ts";
import { STORE_DEFAULTS, type StoreOptions } from "../store_rules.ts";
import type { StoreHealth } from "../../telemetry/store_health.ts";
import { Waiters } from "../../execution/waiters.ts";
import { MemoryArchiveFeed } from "./archive_feed.ts";
import { MemoryAudit } from "./audit.ts";
import { Counters } from "./counters.ts";
import { MemoryCaches } from "./caches.ts";
import { MemoryImports } from "./imports.ts";
import { MemoryForks } from "./forks.ts";
import { MemoryDeadLetters } from "./dead_letters.ts";
import { Dispatcher } from "./dispatcher.ts";
import { MemoryExternalWork } from "./external_work.ts";
import { MemoryLog } from "./execution_log.ts";
import { MemoryLocks } from "./locks.ts";
import { MemoryMailboxes } from "./mailboxes.ts";
import { MemoryBudget } from "./memory_budget.ts";
import { MemoryRateLimits } from "./rate_limits.ts";
import { MemorySchedules } from "./schedules.ts";
import { MemoryProjections } from "./projections.ts";
import { MemoryRequests } from "./requests.ts";
import { MemorySessionStore } from "./session_store.ts";
import { MemoryState } from "./state.ts";
import { MemoryWorkQueue } from "./work_queue.ts";
import { MemoryWorkflowStore } from "./workflow_store.ts";

/** Options of {@linkcode createMemoryStore}. */
export interface MemoryStoreOptions extends StoreOptions {
  /** Bytes that executions may take, past which those that ended first are removed; default 256 MiB. */
  readonly retentionBytes?: number;
  /** True: ended executions stay until they expire, and past `retentionBytes` requests are refused; default false. */
  readonly keepsEnded?: boolean;
  /** Called with each execution that is removed. Default nobody. */
  readonly onGone?: (executionId: string) => void;
}

/** A store that knows how much it holds. */
export interface MemoryStore extends Store {
  /** Bytes that executions take now, estimated. */
  readonly bytes: () => number;
}

/** Makes a store that lives as long as the process, or until it is disposed of: then no timer is due any more. */
export function createMemoryStore(options: MemoryStoreOptions): MemoryStore {
  const bounds = { ...STORE_DEFAULTS, retentionBytes: 2 ** 28, ...options };
  const { instance, maxWaiters, queueLimit, maxDeliveries, logLimitBytes, retentionBytes, historyTtlSeconds } = bounds;
  // Besides what executions may take.
  const budget = new MemoryBudget({ limitBytes: retentionBytes / 4 });
  const mailboxes = new MemoryMailboxes({ budget, entries: bounds.mailboxEntries, bytes: bounds.mailboxBytes });
  const deadLetters = new MemoryDeadLetters();
  const state = new MemoryState({ ...options, retentionBytes, deadLetters });
  const waiters = new Waiters({ instance, limit: maxWaiters });
  const dispatcher = new Dispatcher(state, waiters);
  const requests = new MemoryRequests({ state, dispatcher, queueLimit, logLimitBytes });
  const locks = new MemoryLocks();
  const statistics = new Counters(state);
  return {
    driver: "memory",
    documents: "memory",
    clock: processClock,
    log: new MemoryLog({ state, dispatcher, requests }),
    shortWay: requests,
    replies: waiters,
    work: new MemoryWorkQueue({ state, dispatcher, waiters, deadLetters, maxDeliveries, logLimitBytes }),
    projections: new MemoryProjections(state, statistics),
    statistics,
    external: new MemoryExternalWork({ state, dispatcher, deadLetters, maxDeliveries, logLimitBytes }),
    archiveFeed: new MemoryArchiveFeed(state, { historyTtlSeconds: options.archivedTtlSeconds ?? historyTtlSeconds }),
    workflows: new MemoryWorkflowStore({ historyTtlSeconds }),
    deadLetters,
    forks: new MemoryForks(state),
    rateLimits: new MemoryRateLimits(),
    imports: new MemoryImports(state),
    locks,
    caches: new MemoryCaches({ limitBytes: bounds.cacheLimitBytes, totalBytes: retentionBytes / 4 }),
    sessions: new MemorySessionStore({ budget }),
    mailboxes,
    designer: new MemorySessionStore({ budget, followed: { mailboxes, box: "designer" } }),
    schedules: new MemorySchedules(),
    audit: new MemoryAudit({ limit: bounds.auditLimit, nextId: () => state.nextId() }),
    ready: () => ({ ready: true }),
    away: () => false,
    bytes: () => state.retention.bytes,
    health: (): Promise<StoreHealth> => Promise.resolve({ status: "disabled" }),
    [Symbol.asyncDispose]: () => {
      dispatcher.close();
      locks.close();
      return Promise.resolve();
    },
  };
}
