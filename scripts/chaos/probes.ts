/**
 * Probes: a pure call to each instance ten times a second, from which one sees when work flows again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Attempt } from "./call.ts";
import type { Load } from "./load.ts";
import type { Member } from "./member.ts";
import { KINDS, payloadOf } from "./workflows.ts";
import type { Random } from "./random.ts";

const EVERY_MS = 100;
/** How many may be unanswered at once on one instance. */
const MOST = 50;
/** How long answers are remembered, in milliseconds. */
const KEPT_MS = 30_000;

/** Probes of every instance that serves HTTP. */
export class Probes {
  readonly #load: Load;
  readonly #answers = new Map<string, Attempt[]>();
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[];
  #count = 0;

  constructor(load: Load, options: { targets: readonly Member[]; random: Random }) {
    this.#load = load;
    this.#loops = options.targets.map((target) => this.#probe(target, options.random.fork()));
  }

  /** How many were sent. */
  get count(): number {
    return this.#count;
  }

  /** Milliseconds from `since` until a probe that was sent later was answered; `undefined` while none was. */
  recovery(target: Member, since: number): number | undefined {
    const answered = (this.#answers.get(target.name) ?? []).filter(({ sentAt }) => sentAt >= since);
    return answered.length === 0 ? undefined : Math.min(...answered.map(({ endedAt }) => endedAt)) - since;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  async #probe(target: Member, random: Random): Promise<void> {
    const kind = KINDS.find(({ id }) => id === "pure")!;
    const open = new Set<Promise<void>>();
    while (!this.#stop.signal.aborted) {
      if (open.size < MOST && target.alive) {
        const payload = payloadOf(kind, `probe-${target.name}-${++this.#count}`, random);
        const probe: Promise<void> = this.#load.attempt(kind, payload, target).then((attempt) => {
          if (attempt.status === 201) this.#remember(target, attempt);
        }).finally(() => open.delete(probe));
        open.add(probe);
      }
      await sleep(EVERY_MS);
    }
    await Promise.all(open);
  }

  #remember(target: Member, attempt: Attempt): void {
    const kept = (this.#answers.get(target.name) ?? []).filter(({ endedAt }) => endedAt > Date.now() - KEPT_MS);
    this.#answers.set(target.name, [...kept, attempt]);
  }
}
