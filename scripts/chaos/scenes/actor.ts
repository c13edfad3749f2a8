/**
 * What a scene does and sees: it calls webhooks and the API, looks into Redis, and says what was not as promised.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, fetch } from "undici";
import type { StoredEvent } from "../../../src/execution/event.ts";
import type { Breach, BreachKind } from "../breach.ts";
import type { Cluster } from "../cluster.ts";
import { readExecution } from "../execution_reader.ts";
import { hasEnded, story } from "../log_check.ts";
import type { Member } from "../member.ts";
import type { Random } from "../random.ts";

/** An answer to a webhook. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly executionId: string;
}

/** How a webhook is called. */
export interface CallOptions {
  readonly body?: object;
  /** Its `Idempotency-Key`; none by default. */
  readonly key?: string;
  /** The instance that is called. Default the first. */
  readonly at?: Member;
  /** Does not wait for the end. */
  readonly async?: boolean;
}

/** Thrown when a scene cannot go on: what it waits for does not come, which it has told. */
export class SceneOver extends Error {}

const LOOK_MS = 20;

/** Acts and observes for one scene. */
export class Actor {
  readonly breaches: Breach[] = [];
  readonly cluster: Cluster;
  readonly random: Random;
  /** Deadline of every wait of the scene, in milliseconds. */
  readonly timeoutMs: number;
  readonly #name: string;
  readonly #hangUp = new AbortController();
  readonly #gates = new Set<string>();
  /** Its own, so that no connection outlives the scene: instances keep idle ones for longer than that. */
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

  constructor(name: string, options: { cluster: Cluster; random: Random; timeoutMs: number }) {
    this.#name = `${name}-${options.random.next().toString(36).slice(2, 8)}`;
    this.cluster = options.cluster;
    this.random = options.random;
    this.timeoutMs = options.timeoutMs;
  }

  /** A name of this scene's own. */
  named(what: string): string {
    return `${this.#name}-${what}`;
  }

  /** The name of gates of this scene, which are open once it is over. */
  gate(): string {
    const gate = this.named("gate");
    this.#gates.add(gate);
    return gate;
  }

  /** Calls a webhook; an answer that does not come is an error once the scene is over. */
  async call(
    workflow: string,
    { body = {}, key, at = this.cluster.http[0]!, async }: CallOptions = {},
  ): Promise<Answer> {
    const payload = { key: this.named(this.random.next().toString(36).slice(2)), token: "t", n: 7, fails: 0, ...body };
    const response = await fetch(`${at.url}/webhook/${workflow}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? {} : { "idempotency-key": key }),
        ...(async ? { prefer: "respond-async" } : {}),
      },
      body: JSON.stringify(payload),
      dispatcher: this.#agent,
      signal: this.#hangUp.signal,
    });
    const text = await response.text();
    return { status: response.status, body: text, executionId: response.headers.get("execution-id") ?? "" };
  }

  /** Starts executions that wait at the gate `<gate>-one`, and gives their ids once all are there. */
  async atGate(gate: string, count: number, options: Pick<CallOptions, "at"> = {}): Promise<string[]> {
    const calls = Array.from(
      { length: count },
      () => this.call("scene-gated", { body: { gate }, async: true, ...options }),
    );
    const ids = (await Promise.all(calls)).map(({ executionId }) => executionId);
    await this.until(`${count} calls at the gate`, () => this.cluster.echo.waiting(`${gate}-one`) >= count);
    return ids;
  }

  /** Asks for something of an execution: `cancel`, `pause`, `resume`. */
  async ask(what: "cancel" | "pause" | "resume", executionId: string, at = this.cluster.http[1]!): Promise<number> {
    const url = `${at.url}/api/executions/${executionId}/${what}`;
    const response = await fetch(url, { method: "POST", dispatcher: this.#agent, signal: this.#hangUp.signal });
    await response.body?.cancel();
    return response.status;
  }

  async log(executionId: string): Promise<readonly StoredEvent[]> {
    return (await readExecution(this.cluster, executionId)).events;
  }

  /** Waits for the end of executions; what has not ended is wedged. */
  async ends(ids: readonly string[]): Promise<void> {
    let open: readonly string[] = ids;
    await this.until(() => `the end of ${open.length} of ${ids.length} executions (${open[0]})`, async () => {
      const executions = await Promise.all(open.map((id) => readExecution(this.cluster, id)));
      open = executions.filter((execution) => !hasEnded(execution)).map(({ id }) => id);
      return open.length === 0;
    });
  }

  /** The worker that has an execution now. */
  async holder(executionId: string): Promise<Member | undefined> {
    const { redis, keys, workers, working, whole } = this.cluster;
    const entry = await redis.send<string | null>("HGET", keys.meta(executionId), "entry");
    if (entry === null || entry === "") return undefined;
    if (entry === "local") return whole;
    const work = keys.work(keys.partitionOf(executionId));
    const pending = await redis.send<[string, string][]>("XPENDING", work, "workers", entry, entry, "1");
    const owner = pending[0]?.[1];
    if (owner === undefined) return undefined;
    // The first keeps its name over restarts; the other one's is made up.
    return working.find(({ name }) => name === owner) ?? workers.find(({ name }) => name !== "worker1");
  }

  /**
   * Stops whoever has an execution until somebody else has it, or until it has ended, and lets it go on, after
   * `whileAway`.
   */
  async stall(executionId: string, whileAway: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    let target: Member | undefined;
    await this.until("a worker that has the execution", async () => {
      target = await this.holder(executionId);
      return target !== undefined;
    });
    const before = await this.epoch(executionId);
    target!.pause();
    try {
      await this.until(() => `a takeover of ${executionId} from ${target!.name}`, async () => {
        return await this.epoch(executionId) !== before || hasEnded(await readExecution(this.cluster, executionId));
      });
      await whileAway();
    } finally {
      target!.resume();
    }
  }

  async epoch(executionId: string): Promise<string | null> {
    return await this.cluster.redis.send<string | null>("HGET", this.cluster.keys.meta(executionId), "epoch");
  }

  /** Reports a breach unless the promise holds. */
  async expect(holds: boolean, kind: BreachKind, what: string, executionId?: string): Promise<void> {
    if (holds) return;
    const log = executionId === undefined ? "" : `: ${executionId}: ${story(await this.log(executionId))}`;
    this.breaches.push({ kind, detail: `${this.#name}: ${what}${log}` });
  }

  /** Waits until the check holds; past the deadline it reports `wedged` and ends the scene. */
  async until(what: string | (() => string), check: () => boolean | Promise<boolean>): Promise<void> {
    for (const until = Date.now() + this.timeoutMs; !(await check()); await sleep(LOOK_MS)) {
      if (Date.now() < until) continue;
      const missing = typeof what === "string" ? what : what();
      this.breaches.push({ kind: "wedged", detail: `${this.#name}: not within ${this.timeoutMs} ms: ${missing}` });
      throw new SceneOver();
    }
  }

  /** Opens the gates, and aborts the calls that are pending. */
  async leave(): Promise<void> {
    for (const gate of this.#gates) {
      for (const step of ["one", "two", "after"]) this.cluster.echo.openGate(`${gate}-${step}`);
    }
    this.#hangUp.abort(new SceneOver("the scene is over"));
    await this.#agent.destroy();
  }
}
