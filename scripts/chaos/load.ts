/**
 * The load: callers that retry each call until it is answered, and record every try.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { type Attempt, type Call, settles } from "./call.ts";
import type { Member } from "./member.ts";
import { paced } from "./pace.ts";
import type { Random } from "./random.ts";
import { DEADLINE_SECONDS, type Kind, payloadOf } from "./workflows.ts";

/** How long past its deadline an answer is waited for, in milliseconds. */
const GRACE_MS = 3000;
/** How often a call is sent again after it was answered, as a part of all; after a lost answer always. */
const REPLAYED = 0.05;

/** How a load is made. */
export interface LoadOptions {
  readonly targets: readonly Pick<Member, "name" | "url">[];
  readonly kinds: readonly Kind[];
  readonly callers: number;
  readonly random: Random;
  /** For how long a call is tried again, in milliseconds. */
  readonly budgetMs: number;
}

/** Callers, one call at a time each, until they are stopped. */
export class Load {
  readonly #options: LoadOptions;
  readonly #run: string;
  readonly #kinds: readonly Kind[];
  readonly #hangUp = new AbortController();
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connections: 128 });
  #callers: Promise<void>[] = [];
  #stopped = false;
  #held = false;
  #count = 0;
  #calls: Call[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#run = options.random.next().toString(36).slice(2, 8);
    this.#kinds = options.kinds.flatMap((kind) => Array<Kind>(Math.max(1, kind.weight)).fill(kind));
  }

  start(): void {
    const { callers, random } = this.#options;
    this.#callers = Array.from({ length: callers }, () => this.#caller(random.fork()));
  }

  /** Lets every caller get its answer, and no more; with `now`, hangs up on whoever has not answered. */
  async stop({ now = false }: { now?: boolean } = {}): Promise<void> {
    this.#stopped = true;
    if (now) this.#hangUp.abort(new Error("the client hung up"));
    await Promise.all(this.#callers);
    await this.#agent.destroy();
  }

  /** Lets no caller begin another call, and waits for those under way, until {@linkcode goOn}. */
  async hold(): Promise<void> {
    this.#held = true;
    while (this.#calls.some(({ settledAt }) => settledAt === undefined)) await sleep(20);
  }

  goOn(): void {
    this.#held = false;
  }

  /** How many calls were made. */
  get count(): number {
    return this.#count;
  }

  /** Every call that was not taken away. */
  get calls(): readonly Call[] {
    return this.#calls;
  }

  /** Takes those away that are checked. */
  forget(checked: ReadonlySet<Call>): void {
    this.#calls = this.#calls.filter((call) => !checked.has(call));
  }

  /** One try at a webhook. */
  async attempt(kind: Kind, payload: Call["payload"], target: Pick<Member, "name" | "url">): Promise<Attempt> {
    const sentAt = Date.now();
    const abort = new AbortController();
    const limitMs = DEADLINE_SECONDS * 1000 + paced(GRACE_MS);
    const timer = setTimeout(() => abort.abort(new Error(`no answer within ${limitMs} ms`)), limitMs);
    try {
      const { statusCode: status, headers, body } = await request(`${target.url}/webhook/${kind.id}`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": payload.key },
        body: JSON.stringify(payload),
        dispatcher: this.#agent,
        signal: AbortSignal.any([abort.signal, this.#hangUp.signal]),
      });
      const text = await body.text();
      const id = headers["execution-id"];
      return {
        instance: target.name,
        sentAt,
        endedAt: Date.now(),
        status,
        body: text,
        ...(typeof id === "string" ? { executionId: id } : {}),
      };
    } catch (error) {
      return { instance: target.name, sentAt, endedAt: Date.now(), error: (error as Error).message };
    } finally {
      clearTimeout(timer);
    }
  }

  async #caller(random: Random): Promise<void> {
    while (!this.#stopped) {
      if (this.#held) {
        await sleep(20);
        continue;
      }
      const kind = random.pick(this.#kinds);
      const payload = payloadOf(kind, `${this.#run}-${++this.#count}`, random);
      const call: Call = { kind, payload, startedAt: Date.now(), attempts: [], replays: [] };
      this.#calls.push(call);
      await this.#settle(call, random);
      await sleep(random.between(10, 120));
    }
  }

  /** Tries until there is an answer, each time somewhere else. */
  async #settle(call: Call, random: Random): Promise<void> {
    const { targets, budgetMs } = this.#options;
    let target = random.between(0, targets.length - 1);
    for (;;) {
      const attempt = await this.attempt(call.kind, call.payload, targets[target]!);
      call.attempts.push(attempt);
      target = (target + 1) % targets.length;
      if (settles(attempt)) {
        call.answer = attempt;
        break;
      }
      if (this.#hangUp.signal.aborted) call.hungUp = true;
      if (call.hungUp || Date.now() - call.startedAt > paced(budgetMs)) break;
      await sleep(random.between(50, 200));
    }
    const lost = call.attempts.some(({ error }) => error !== undefined);
    if (call.answer !== undefined && (lost || random.chance(REPLAYED))) {
      call.replays.push(await this.attempt(call.kind, call.payload, targets[target]!));
    }
    call.settledAt = Date.now();
  }
}
