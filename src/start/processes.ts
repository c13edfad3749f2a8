/**
 * Several processes on one port, each of them a whole instance: one JavaScript thread answers with one processor, however
 * many the machine has. The first process hands out connections in turn (Node's `cluster`) and does nothing else.
 *
 * Invariants:
 * 1. One is started alone at first: what is wrong with the settings, the port or Redis is said once, and ends it all.
 * 2. One that ends by itself is replaced, under a new name; what it ran is taken over like that of any instance.
 * 3. All are asked to end at the same time, once, in the words of the signal that came.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { pause } from "../lib/delay.ts";
import type { Logger } from "../telemetry/logger.ts";
import { addUp, type Counted, type MetricsText } from "../telemetry/metrics.ts";
import { type Signal, stopSignal, type Tells, type Told } from "./own_process.ts";
import { StartError } from "./stores.ts";

/** How long a process that ended by itself stays away, in milliseconds. */
const REPLACE_AFTER_MS = 1000;
/** How long one that serves has to tell what it has counted, in milliseconds. */
const COUNTED_WITHIN_MS = 8000;

/** What {@linkcode runProcesses} takes. */
export interface ProcessesOptions {
  /** How many, more than one. */
  readonly count: number;
  /** What their names begin with. */
  readonly instance: string;
  /** Where it is said which processes there are. */
  readonly logger: Logger;
}

/**
 * Runs them until a signal asks for an end, and resolves with the exit code: that of a process that could not start.
 *
 * @throws {StartError} under Deno
 */
export async function runProcesses(options: ProcessesOptions): Promise<number> {
  if ("Deno" in globalThis) {
    throw new StartError(
      "PROCESSES is more than 1, which is for Node: under Deno set it to 1, and start more instances",
    );
  }
  const processes = new Processes(options);
  const asked = stopSignal().then((signal) => processes.stop(signal));
  const started = processes.start();
  return await Promise.race([asked, started]) ?? await asked;
}

/** What a process was asked for. */
interface Question {
  readonly worker: Worker;
  /** Takes what it has counted; nothing where it has ended. */
  readonly answer: (counted: Counted | undefined) => void;
  readonly fail: (error: Error) => void;
}

class Processes {
  readonly #options: ProcessesOptions;
  readonly #running = new Set<Worker>();
  /** Those that serve. */
  readonly #serving = new Set<Worker>();
  /** What has not been answered yet, by number. */
  readonly #questions = new Map<number, Question>();
  #asked = 0;
  #stopping: Promise<number> | undefined;
  /** Of those that ended after they had been asked to. */
  #code = 0;

  constructor(options: ProcessesOptions) {
    this.#options = options;
  }

  /** Resolves once all serve, or with the exit code of one that ended before. */
  async start(): Promise<number | undefined> {
    const first = await this.#run();
    if (typeof first === "number") return await this.#giveUp(first);
    const others = await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#run()));
    const failed = others.find((other) => typeof other === "number");
    if (typeof failed === "number") return await this.#giveUp(failed);
    console.log(first.banner);
    return undefined;
  }

  /** Asks all to end, and resolves with the exit code once they have. */
  stop(signal: Signal): Promise<number> {
    return this.#stopping ??= this.#stopAll(signal);
  }

  async #stopAll(signal: Signal): Promise<number> {
    await Promise.all([...this.#running].map(async (worker) => {
      const ended = once(worker, "exit");
      // What does not serve yet has accepted nothing, and may not listen yet.
      if (this.#serving.has(worker)) tell(worker, { stop: signal });
      else worker.process.kill("SIGKILL");
      await ended;
    }));
    return this.#code;
  }

  async #giveUp(code: number): Promise<number> {
    if (this.#stopping !== undefined) return await this.#stopping;
    await this.stop("SIGINT");
    return code;
  }

  /** Starts one, and resolves once it serves, or with its exit code if it ends before. */
  #run(): Promise<{ banner: string } | number> {
    const worker = cluster.fork({ INSTANCE_ID: this.#options.instance });
    this.#running.add(worker);
    this.#options.logger.info({ process: worker.id, pid: worker.process.pid }, "a process starts");
    return new Promise((resolve) => {
      worker.on("message", (told: Told) => {
        if ("serves" in told) {
          this.#serving.add(worker);
          resolve({ banner: told.serves });
        } else if ("asks" in told) void this.#answer(worker, told.asks);
        else if (told.counted !== undefined) this.#questions.get(told.counts)?.answer(told.counted);
        else this.#questions.get(told.counts)?.fail(new Error(told.error));
      });
      // What is sent to one that has just died fails: its exit says so.
      worker.on("error", () => {});
      worker.once("exit", (code, signal) => {
        this.#running.delete(worker);
        const hasServed = this.#serving.delete(worker);
        for (const question of this.#questions.values()) if (question.worker === worker) question.answer(undefined);
        resolve(code ?? 1);
        if (this.#stopping !== undefined) { if (hasServed) this.#code ||= code ?? 1; }
        else if (hasServed) void this.#replace(worker, { code, signal });
      });
    });
  }

  async #replace(worker: Worker, how: { code: number | null; signal: string | null }): Promise<void> {
    this.#options.logger.error({ process: worker.id, ...how }, "a process ended and is replaced");
    let code: unknown;
    do {
      await pause(REPLACE_AFTER_MS);
      if (this.#stopping !== undefined) return;
      code = await this.#run();
    } while (typeof code === "number");
  }

  async #answer(worker: Worker, asks: number): Promise<void> {
    const answer = await this.#metrics().then((metrics) => ({ metrics }), (error) => ({ error: String(error) }));
    tell(worker, { answers: asks, ...answer });
  }

  /** Of all that serve: what does not yet has counted nothing, and what has ended meanwhile counts no more. */
  async #metrics(): Promise<MetricsText> {
    const counted = await Promise.all([...this.#serving].map((worker) => this.#counted(worker)));
    return await addUp(counted.filter((each) => each !== undefined));
  }

  async #counted(worker: Worker): Promise<Counted | undefined> {
    const number = ++this.#asked;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await new Promise((answer, fail) => {
        this.#questions.set(number, { worker, answer, fail });
        timer = setTimeout(() => fail(new Error(`Process ${worker.id} does not answer`)), COUNTED_WITHIN_MS);
        tell(worker, { count: number });
      });
    } finally {
      clearTimeout(timer);
      this.#questions.delete(number);
    }
  }
}

/** Tells one something, unless it has just ended. */
function tell(worker: Worker, what: Tells): void {
  worker.send(what, () => {});
}
