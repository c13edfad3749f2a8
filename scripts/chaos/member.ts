/**
 * One instance under test: a process of its own, behind a proxy of its own, with the same port after each start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TYPESCRIPT } from "../typescript/loader.ts";
import { ChaosProxy } from "./proxy.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** How long a start may take, in milliseconds: many times what it does on a machine with nothing else to do. */
const START_MS = 120_000;

/** What a member does: serves, works, or both. */
export type MemberKind = "http" | "worker" | "whole";

const ROLES: Readonly<Record<MemberKind, string>> = {
  http: "http",
  worker: "worker,assembler,scheduler",
  whole: "http,worker,assembler,scheduler",
};

/** What a member is started with. */
export interface MemberOptions {
  readonly name: string;
  readonly kind: MemberKind;
  readonly redisPort: number;
  readonly env: Readonly<Record<string, string>>;
  /** Arguments of Node's own. */
  readonly nodeArgs: readonly string[];
  /** Where what it prints is kept; nowhere by default. */
  readonly logDir: string | undefined;
}

/** Members that run, to be ended with this process. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** An instance that can be killed, stopped and started again. */
export class Member implements AsyncDisposable {
  readonly name: string;
  readonly kind: MemberKind;
  readonly proxy: ChaosProxy;
  /** Where it serves; workers serve their metrics. */
  url = "";
  readonly #options: MemberOptions;
  readonly #file: WriteStream | undefined;
  #child: ChildProcess | undefined;

  private constructor(options: MemberOptions, proxy: ChaosProxy) {
    this.#options = options;
    this.name = options.name;
    this.kind = options.kind;
    this.proxy = proxy;
    const { logDir, name } = options;
    this.#file = logDir === undefined ? undefined : createWriteStream(`${logDir}/${name}.log`);
  }

  static async start(options: MemberOptions): Promise<Member> {
    const member = new Member(options, await ChaosProxy.open(options.redisPort));
    await member.start();
    return member;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** False after a kill, until it is started again. */
  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it and waits until it serves. Throws with what it printed when it ends before. */
  async start(): Promise<void> {
    const { nodeArgs, env, kind } = this.#options;
    const { PATH = "", HOME = "" } = process.env;
    // A planted bug changes a source when that is loaded.
    const made = nodeArgs.length === 0 ? process.env.TEST_PROGRAM : undefined;
    const args = made === undefined ? [...TYPESCRIPT, ...nodeArgs, `${ROOT}src/main.ts`] : [made];
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH,
        HOME,
        PORT: this.url === "" ? "0" : new URL(this.url).port,
        REDIS_URL: `redis://127.0.0.1:${this.proxy.port}`,
        ROLES: ROLES[kind],
        ...env,
      },
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    this.#child = child;
    let output = "";
    const keep = (chunk: Uint8Array) => {
      output = (output + chunk).slice(-4000);
      this.#file?.write(chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    for (const until = Date.now() + START_MS;;) {
      const url = /(http:\/\/\S+:\d+)\n/.exec(output)?.[1];
      if (url !== undefined) return void (this.url = url);
      if (!this.alive || Date.now() > until) throw new Error(`${this.name} did not start: ${output.trim()}`);
      await sleep(20);
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.alive) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Stops it where it is. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Steps its clock, if it was started with `clock_skew.ts`; the next time back. */
  stepClock(): void {
    this.#child?.kill("SIGWINCH");
  }

  /** Collects its garbage, if it was started with `collect.ts`. */
  collect(): void {
    this.#child?.kill("SIGUSR2");
  }

  /** How many file descriptors it has open, those of its callers' connections left out: they keep them for a minute. */
  async openFiles(): Promise<number> {
    const files = (await readdir(`/proc/${this.pid}/fd`)).length;
    const port = Number(new URL(this.url).port).toString(16).toUpperCase().padStart(4, "0");
    // Local address, remote address and state (01: established) of each connection (proc(5)).
    const connections = (await readFile("/proc/net/tcp", "utf8")).matchAll(/^ *\d+: \w+:(\w+) \w+:\w+ 01 /gm);
    return files - [...connections].filter(([, local]) => local === port).length;
  }

  /** One of its metrics; NaN when there is no such. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(START_MS) });
    return Number(new RegExp(`^${name} (\\S+)`, "m").exec(await response.text())?.[1] ?? NaN);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.kill();
    await this.proxy[Symbol.asyncDispose]();
    this.#file?.end();
  }
}
