/**
 * Measures the time until work flows again after a fault, and checks it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Breach } from "./breach.ts";
import type { Call } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import { readExecution } from "./execution_reader.ts";
import type { FaultWindow } from "./faults.ts";
import type { Load } from "./load.ts";
import { story } from "./log_check.ts";
import { paced } from "./pace.ts";
import type { Probes } from "./probes.ts";

/** The parts that are watched. */
export interface Stage {
  readonly cluster: Cluster;
  readonly load: Load;
  readonly probes: Probes;
}

/** How a fault was got over. */
export interface Recovery {
  /** The slowest of all that was waited for, in milliseconds past what it takes anyway. */
  readonly worstMs: number;
  readonly breaches: readonly Breach[];
}

/** Past the bound, how long what is late is waited for, in milliseconds. */
const MARGIN_MS = 1500;

/**
 * Waits until a probe that was sent after the fault is answered by every instance that serves, and until every call
 * that was made before the fault's end is answered. A call's own duration does not count, nor does the time of tries
 * that the fault ended before it.
 */
export async function recover({ cluster, load, probes }: Stage, fault: FaultWindow): Promise<Recovery> {
  const { since } = fault;
  const boundMs = () => paced(fault.boundMs);
  const endedAt = Date.now();
  const serving = cluster.serving.filter(({ alive }) => alive);
  const waiting = load.calls.filter(({ startedAt, answer, settledAt = Infinity }) =>
    startedAt <= endedAt && (answer?.endedAt ?? settledAt) >= since
  );
  const longestMs = Math.max(0, ...waiting.map(({ kind, payload }) => kind.nominalMs(payload)));
  const giveUpAt = () => Math.max(endedAt, since + boundMs()) + longestMs + MARGIN_MS;
  const isDone = (call: Call) => call.answer !== undefined || call.settledAt !== undefined;
  const isWell = () => serving.every((target) => probes.recovery(target, since) !== undefined) && waiting.every(isDone);
  while (!isWell() && Date.now() < giveUpAt()) await sleep(20);

  const breaches: Breach[] = [];
  let worstMs = 0;
  for (const target of serving) {
    const ms = probes.recovery(target, since);
    worstMs = Math.max(worstMs, ms ?? Date.now() - since);
    if (ms !== undefined && ms <= boundMs()) continue;
    const took = ms === undefined ? "serves nothing" : `served again after ${ms} ms, not ${boundMs()}`;
    breaches.push({ kind: "wedged", detail: `${target.name} ${took}` });
  }
  for (const call of waiting) {
    const { kind, payload, answer } = call;
    const doneAt = answer?.endedAt ?? Date.now();
    const ms = doneAt - Math.max(since, call.startedAt) - kind.nominalMs(payload);
    worstMs = Math.max(worstMs, ms);
    if (isDone(call) && ms <= boundMs()) continue;
    const took = isDone(call) ? `answered ${ms} ms after the fault, not ${boundMs()}` : `unanswered ${ms} ms after it`;
    const tries = call.attempts.map((a) => `${a.instance} ${a.status ?? a.error} at ${a.endedAt}`).join("; ");
    const id = answer?.executionId;
    const log = id === undefined ? "" : `: ${story((await readExecution(cluster, id)).events)}`;
    const about = `${kind.id} ${payload.key} of ${call.startedAt} ${took}, since ${since}`;
    breaches.push({ kind: "wedged", detail: `${about} (${tries})${log}` });
  }
  return { worstMs, breaches };
}
