/**
 * What a driver is made of.
 */
import type { CacheStore } from "../caches/cache_store.ts";
import type { AuditLog } from "../audit/audit_log.ts";
import type { Clock } from "../lib/clock.ts";
import type { DeadLetters } from "../execution/dead_letters.ts";
import type { Forks } from "../execution/forks.ts";
import type { Imports } from "../execution/imports.ts";
import type { Arrivals } from "../execution/arrivals.ts";
import type { ExecutionLog } from "../execution/log.ts";
import type { ExternalWork } from "../execution/external_work.ts";
import type { LockStore } from "../locks/lock_store.ts";
import type { ArchiveFeed } from "../feed/archive_feed.ts";
import type { Projections } from "../feed/projections.ts";
import type { RateLimits } from "../execution/rate_limits.ts";
import type { Replies } from "../execution/replies.ts";
import type { ShortWay } from "../execution/short_way.ts";
import type { Mailboxes } from "../sessions/mailbox.ts";
import type { SessionStore } from "../sessions/session_store.ts";
import type { Statistics } from "../feed/statistics.ts";
import type { ScheduleStore } from "../schedules/schedule_store.ts";
import type { StoreHealth } from "../telemetry/store_health.ts";
import type { WorkQueue } from "../execution/work_queue.ts";
import type { WorkflowStore } from "../workflow/workflow_store.ts";

/** A whole driver. */
export interface Store extends AsyncDisposable {
  readonly driver: "redis" | "memory";
  /** How documents are kept. */
  readonly documents: "RedisJSON" | "strings" | "memory";
  /** By which the times of events, deadlines and waits go, the same for every process of the store. */
  readonly clock: Clock;
  readonly log: ExecutionLog;
  readonly shortWay: ShortWay;
  readonly replies: Replies;
  readonly work: WorkQueue;
  readonly projections: Projections;
  readonly statistics: Statistics;
  /** What is to be archived. */
  readonly archiveFeed: ArchiveFeed;
  readonly workflows: WorkflowStore;
  readonly deadLetters: DeadLetters;
  readonly forks: Forks;
  readonly rateLimits: RateLimits;
  readonly imports: Imports;
  readonly external: ExternalWork;
  readonly locks: LockStore;
  readonly caches: CacheStore;
  readonly sessions: SessionStore;
  readonly mailboxes: Mailboxes;
  /** States of workflows in the designer: kept as sessions are, and changes are told in the box `designer`. */
  readonly designer: SessionStore;
  readonly schedules: ScheduleStore;
  readonly audit: AuditLog;
  /** Whether the store can do its work now, and if not why. */
  ready(): { readonly ready: boolean; readonly reason?: string };
  /** Whether its server is away: nothing can be started, and what was started goes on once it is back. */
  away(): boolean;
  /** Takes executions that ran elsewhere; absent where there is no elsewhere. */
  readonly arrivals?: Arrivals;
  health(): Promise<StoreHealth>;
}
