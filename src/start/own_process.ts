/**
 * What this process hears and says: from and to whoever started it, or, as one of several on a port, from and to the
 * first of them (see `processes.ts`).
 */
import cluster from "node:cluster";
import { UnavailableError } from "../lib/errors.ts";
import type { Counted, MetricsText } from "../telemetry/metrics.ts";

/** The signals that ask for an end. */
export type Signal = "SIGTERM" | "SIGINT";

/** What one of several says to the first. */
export type Told =
  /** It serves: what is to be printed when all do. */
  | { readonly serves: string }
  /** It asks for the metrics of all, under this number. */
  | { readonly asks: number }
  /** What it has counted, as it was asked under this number. */
  | { readonly counts: number; readonly counted?: Counted; readonly error?: string };

/** What the first says to another. */
export type Tells =
  | { readonly stop: Signal }
  /** It is to tell what it has counted, under this number. */
  | { readonly count: number }
  /** What was asked for under this number. */
  | { readonly answers: number; readonly metrics?: MetricsText; readonly error?: string };

/** The number of this process among several on a port, from 1, never used again; `undefined` where it is alone. */
export const processNumber: number | undefined = cluster.worker?.id;

/** Says that this process serves. */
export function announce(banner: string): void {
  if (processNumber === undefined) console.log(banner);
  else tell({ serves: banner });
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Has a signal end this process at once, until {@linkcode stopSignal} waits for one: what does not serve yet has accepted
 * nothing. The system would do the same, but not to process 1 of a container (pid_namespaces(7)), which is never one of
 * several.
 */
export function endAtSignals(): void {
  if (processNumber !== undefined) return;
  for (const signal of SIGNALS) process.on(signal, endNow);
}

function endNow(): void {
  process.exit(0);
}

/**
 * Resolves with what asks this process to end. A second signal exits at once. One of several is asked by the first: the
 * terminal's SIGINT goes to all of them, and must not count twice.
 */
export function stopSignal(): Promise<Signal> {
  if (processNumber === undefined) return firstOf(SIGNALS);
  process.on("SIGINT", () => {});
  const told = new Promise<Signal>((resolve) => {
    process.on("message", (what: Tells) => {
      if ("stop" in what) resolve(what.stop);
    });
  });
  return Promise.race([told, firstOf(["SIGTERM"])]);
}

/** The first of the signals that comes; a second one exits at once. */
function firstOf(signals: readonly Signal[]): Promise<Signal> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of signals) {
      process.off(signal, endNow);
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

/** What gives the metrics of all processes on the port, as text; `undefined` where there is one. */
export function askForMetrics(): (() => Promise<MetricsText>) | undefined {
  if (processNumber === undefined) return undefined;
  const asked = new Map<number, (answer: { metrics?: MetricsText; error?: string }) => void>();
  process.on("message", (what: Tells) => {
    if (!("answers" in what)) return;
    asked.get(what.answers)?.(what);
    asked.delete(what.answers);
  });
  let number = 0;
  return async () => {
    const { metrics, error } = await new Promise<{ metrics?: MetricsText; error?: string }>((resolve) => {
      asked.set(++number, resolve);
      tell({ asks: number });
    });
    if (metrics === undefined) throw new UnavailableError(`Not every process told its metrics: ${error}`);
    return metrics;
  };
}

/** Tells the first process what this one has counted, whenever it asks. */
export function tellCounted(counted: () => Promise<Counted>): void {
  if (processNumber === undefined) return;
  process.on("message", (what: Tells) => {
    if (!("count" in what)) return;
    counted().then(
      (counted) => tell({ counts: what.count, counted }),
      (error) => tell({ counts: what.count, error: String(error) }),
    );
  });
}

function tell(what: Told): void {
  process.send!(what);
}
