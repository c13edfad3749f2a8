/**
 * Reads the logs out of Redis, holds them against the client's records, and forgets what it has checked, so that
 * a long run needs no more memory than a short one.
 */
import type { Breach } from "./breach.ts";
import type { Call } from "./call.ts";
import { checkCall } from "./call_check.ts";
import type { Cluster } from "./cluster.ts";
import { readExecution } from "./execution_reader.ts";
import type { Load } from "./load.ts";
import { allKeys, OF_AN_EXECUTION } from "./keyspace.ts";
import { paced } from "./pace.ts";
import { checkLog, type Execution, hasEnded, keyOf, requestedAt } from "./log_check.ts";

/** After how long an execution that has not ended is wedged, in milliseconds: no kind takes as long as that. */
const WEDGED_MS = 45_000;
const AT_ONCE = 200;

/** Checks executions and calls, each once. */
export class Verifier {
  readonly #cluster: Cluster;
  readonly #load: Load;
  /** The execution of each key that was checked. */
  readonly #seen = new Map<string, string>();
  #executions = 0;

  constructor(cluster: Cluster, load: Load) {
    this.#cluster = cluster;
    this.#load = load;
  }

  /** Until when callers may have had to do without Redis for longer than they wait, in epoch milliseconds. */
  cutOffUntil = 0;

  /** How many executions were checked. */
  get executions(): number {
    return this.#executions;
  }

  /**
   * Checks what was requested and answered before `until` (epoch milliseconds) and has ended; with `final`, also what
   * has not ended.
   */
  async check(until: number, options: { final?: boolean } = {}): Promise<Breach[]> {
    const { final = false } = options;
    const breaches: Breach[] = [];
    const isOver = ({ settledAt = Infinity }: Call) => settledAt < until;
    const open = new Set(this.#load.calls.filter((call) => !isOver(call)).map(keyOfCall));
    const byKey = new Map<string, Execution[]>();
    const checked: Execution[] = [];
    for (const execution of await this.#read(until)) {
      const key = keyOf(execution) ?? "";
      byKey.set(key, [...byKey.get(key) ?? [], execution]);
      if (!hasEnded(execution)) {
        if (!final && Date.now() - requestedAt(execution.id) < paced(WEDGED_MS)) open.add(key);
        else breaches.push(await this.#explain(execution));
      }
      checked.push(execution);
    }
    const done = checked.filter((execution) => !open.has(keyOf(execution) ?? ""));
    for (const execution of done) {
      if (!hasEnded(execution)) continue;
      const rewound = this.#isRewound(requestedAt(execution.id), execution.events.at(-1)!.time);
      breaches.push(...checkLog(execution, (node) => this.#cluster.echo.callsOf(execution.id, node), { rewound }));
    }
    const calls = this.#load.calls.filter((call) => isOver(call) && !open.has(keyOfCall(call)));
    const rewoundKeys = new Set(
      this.#load.calls.filter(({ startedAt, settledAt = Date.now() }) => this.#isRewound(startedAt, settledAt))
        .map(keyOfCall),
    );
    for (const execution of done) {
      if (!rewoundKeys.has(keyOf(execution) ?? "")) breaches.push(...this.#once(execution));
    }
    const { cutOffUntil } = this;
    for (const call of calls) {
      // What Redis has lost, its callers know better than its logs.
      if (rewoundKeys.has(keyOfCall(call))) continue;
      breaches.push(...checkCall(call, byKey.get(keyOfCall(call)) ?? [], { cutOffUntil }));
    }
    breaches.push(...this.#cluster.takeBreaches());
    await this.#forget(done, new Set(calls));
    return breaches;
  }

  /** Whether Redis lost something that it was given in this time. */
  #isRewound(from: number, to: number): boolean {
    return this.#cluster.rewinds.some((rewind) => from <= rewind.to && to >= rewind.from);
  }

  /** A key that comes again after its call was checked. */
  #once(execution: Execution): Breach[] {
    const key = keyOf(execution) ?? execution.id;
    const seen = this.#seen.get(key);
    this.#seen.set(key, execution.id);
    if (seen === undefined || this.#load.calls.some((call) => keyOfCall(call) === key)) return [];
    return [{ kind: "duplicated", detail: `${key}: ${execution.id} after ${seen}` }];
  }

  /** Says why an execution has not ended: nobody has it any more, or somebody does not get on. */
  async #explain({ id, events }: Execution): Promise<Breach> {
    const { redis, keys } = this.#cluster;
    const partition = keys.partitionOf(id);
    const entry = await redis.send<string | null>("HGET", keys.meta(id), "entry");
    const queued = entry !== null && entry !== "" &&
      (await redis.send<unknown[]>("XRANGE", keys.work(partition), entry, entry)).length > 0;
    const timers = await redis.send<string[]>("ZRANGE", keys.timers(partition), "0", "-1");
    const seen = events.map(({ type, node }) => node === undefined ? type : `${type} ${node}`).join(", ");
    if (queued || timers.some((timer) => timer.includes(id))) return { kind: "wedged", detail: `${id}: ${seen}` };
    return { kind: "lost", detail: `${id} is on no stream and has no timer: ${seen}` };
  }

  async #read(until: number): Promise<Execution[]> {
    const names = await allKeys(this.#cluster.redis, "mr:*:log:*");
    const ids = names.map((name) => name.slice(name.lastIndexOf(":") + 1));
    const wanted = ids.filter((id) => requestedAt(id) < until);
    const executions: Execution[] = [];
    for (let i = 0; i < wanted.length; i += AT_ONCE) {
      executions.push(...await Promise.all(wanted.slice(i, i + AT_ONCE).map((id) => readExecution(this.#cluster, id))));
    }
    return executions;
  }

  async #forget(executions: readonly Execution[], calls: ReadonlySet<Call>): Promise<void> {
    this.#executions += executions.length;
    this.#load.forget(calls);
    for (const { id, events } of executions) {
      this.#cluster.echo.forget(id, new Set(events.flatMap(({ node }) => node ?? [])));
    }
    const { keys } = this.#cluster;
    const names = executions.filter(hasEnded).flatMap(({ id }) =>
      OF_AN_EXECUTION.map((kind) => `${keys.base(keys.partitionOf(id))}${kind}:${id}`)
    );
    for (let i = 0; i < names.length; i += 1000) await this.#cluster.redis.send("UNLINK", ...names.slice(i, i + 1000));
  }
}

function keyOfCall({ payload }: Call): string {
  return payload.key;
}
