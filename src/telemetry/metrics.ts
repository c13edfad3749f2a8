/**
 * The instance's metrics, in Prometheus's text format 0.0.4.
 *
 * @example
 * ```ts
 * const metrics = createMetrics();
 * metrics.executionEnded("completed", 0.012);
 * const { contentType, body } = await metrics.text();
 * ```
 */
import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  type PrometheusContentType,
  Registry,
} from "prom-client";
import { GatheredCounts, GatheredValues } from "./gathered.ts";

/** Metrics as text, and its media type. */
export interface MetricsText {
  readonly contentType: string;
  readonly body: string;
}

/** What one process has counted, as JSON. */
export type Counted = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** The instance's counters. A call costs well under a microsecond. */
export interface Metrics {
  /** Counts an execution that ended on this instance, with the seconds since it was requested. */
  executionEnded(status: string, seconds: number): void;
  /** Counts an answer. `route` is the pattern that matched, never the path: the number of series stays bounded. */
  httpAnswered(route: string, status: number): void;
  /** Records the seconds from a webhook's request to its response. */
  webhookAnswered(seconds: number): void;
  /** Counts a lookup in a cache, with the bytes that it gave. */
  cacheLookedUp(cache: string, lookup: "hit" | "miss" | "stale", bytes: number): void;
  /** Sets the source of the number of callers that wait for a reply; read with the metrics. */
  watchWaiters(read: () => number): void;
  /** Sets the source of the number of executions that run here; read with the metrics. */
  watchWorkInProgress(read: () => number): void;
  /**
   * Sets the source of how much waits for the archive, and how much of the feed was trimmed before it was archived; read
   * with the metrics, which stay as they were where it does not know.
   */
  watchArchive(read: () => Promise<{ entries: number; missed: number } | undefined>): void;
  /** The metrics as text, for `GET /metrics`. */
  text(): Promise<MetricsText>;
  /** What this process alone has counted. */
  counted(): Promise<Counted>;
}

/**
 * Upper bounds of the buckets, in seconds: from half a millisecond (a short workflow) to the default time limit of an
 * execution.
 */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** How many caches have series of their own. */
const MAX_CACHES = 100;

/** What {@linkcode createMetrics} takes. */
export interface MetricsOptions {
  /** Where this process is one of several on a port: gives the metrics of all of them, which then are the text. */
  readonly ofAll?: (() => Promise<MetricsText>) | undefined;
}

/** The metrics of several processes: added up, but where that says nothing. */
export async function addUp(counted: readonly Counted[]): Promise<MetricsText> {
  const registry = AggregatorRegistry.aggregate<PrometheusContentType>([...counted]);
  return { contentType: registry.contentType, body: await registry.metrics() };
}

/** Makes the metrics in a registry of their own, together with those of the process. */
export function createMetrics({ ofAll }: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const secondsOf = (name: string, help: string): GatheredValues => {
    const collect = () => gathered.handOver();
    const histogram = new Histogram({ name, help, buckets: SECONDS, registers, collect });
    const gathered = new GatheredValues(histogram);
    return gathered;
  };
  const ended = new GatheredCounts();
  new Counter({
    name: "millrace_executions_total",
    help: "Executions that ended on this instance",
    labelNames: ["status"],
    registers,
    collect() {
      ended.handTo(this, ["status"]);
    },
  });
  const executionSeconds = secondsOf(
    "millrace_execution_seconds",
    "Seconds from the request of an execution to its end",
  );
  const answered = new GatheredCounts();
  new Counter({
    name: "millrace_http_requests_total",
    help: "HTTP requests answered",
    labelNames: ["route", "status"],
    registers,
    collect() {
      answered.handTo(this, ["route", "status"]);
    },
  });
  const webhookSeconds = secondsOf("millrace_webhook_seconds", "Seconds from a webhook's request to its response");
  const lookups = new Counter({
    name: "millrace_cache_lookups_total",
    help: "Lookups in caches, by what they came to",
    labelNames: ["cache", "lookup"],
    registers,
  });
  const cacheBytes = new Counter({
    name: "millrace_cache_bytes_total",
    help: "Bytes of bodies that caches gave",
    labelNames: ["cache"],
    registers,
  });
  const cachesCounted = new Set<string>();
  const watch = { waiters: () => 0, workInProgress: () => 0 };
  new Gauge({
    name: "millrace_waiters",
    help: "Callers that wait for the reply to an execution",
    registers,
    collect() {
      this.set(watch.waiters());
    },
  });
  new Gauge({
    name: "millrace_work_in_progress",
    help: "Executions that run on this instance",
    registers,
    collect() {
      this.set(watch.workInProgress());
    },
  });

  return {
    executionEnded(status, seconds) {
      ended.add(status);
      executionSeconds.add(seconds);
    },
    httpAnswered(route, status) {
      answered.add(route, status);
    },
    webhookAnswered(seconds) {
      webhookSeconds.add(seconds);
    },
    cacheLookedUp(name, lookup, bytes) {
      const cache = cachesCounted.size < MAX_CACHES || cachesCounted.has(name) ? name : "(others)";
      cachesCounted.add(cache);
      lookups.inc({ cache, lookup });
      cacheBytes.inc({ cache }, bytes);
    },
    watchWaiters(read) {
      watch.waiters = read;
    },
    watchArchive(read) {
      new Gauge({
        name: "millrace_history_backlog_entries",
        help: "Entries of the feed that wait to be archived, over all instances",
        registers,
        aggregator: "max",
        async collect() {
          const found = await read();
          if (found !== undefined) this.set(found.entries);
        },
      });
      new Counter({
        name: "millrace_history_missed_entries_total",
        help: "Entries of the feed that were trimmed before they were archived, over all instances",
        registers,
        aggregator: "max",
        async collect() {
          const found = await read();
          if (found === undefined) return;
          this.reset();
          this.inc(found.missed);
        },
      });
    },
    watchWorkInProgress(read) {
      watch.workInProgress = read;
    },
    text: ofAll ?? (async () => ({ contentType: registry.contentType, body: await registry.metrics() })),
    counted: () => registry.getMetricsAsJSON(),
  };
}
