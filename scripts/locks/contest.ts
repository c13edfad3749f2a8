/**
 * Contenders in several processes for one lock on a Redis, some of which are killed and stopped.
 *
 * @example
 * ```ts
 * const report = await contest({ url, processes: 8, contenders: 8, grants: 20_000, kills: 40, stops: 10, ttlMs: 2000 });
 * ```
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { RedisConnection } from "../../src/storage/redis/connection/connection.ts";
import { pause } from "../../src/lib/delay.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { TYPESCRIPT } from "../typescript/loader.ts";
import { type ContenderMessage, type ContenderSettings, SETTINGS_VARIABLE } from "./messages.ts";
import { type ContestCount, Resource } from "./resource.ts";

/** What a contest is made of. */
export interface ContestOptions {
  readonly url: string;
  readonly processes: number;
  /** In each process. */
  readonly contenders: number;
  readonly grants: number;
  /** How many processes are killed, each with another in its place; and how many holders are stopped past their lease. */
  readonly kills: number;
  readonly stops: number;
  readonly ttlMs: number;
  /** When it is given up, in milliseconds. */
  readonly limitMs: number;
  readonly say?: (line: string) => void;
}

/** How it went. */
export interface ContestReport extends ContestCount {
  readonly killed: number;
  readonly stopped: number;
  /** Contenders that still waited when nobody held the lock any more. */
  readonly forgotten: number;
  readonly seconds: number;
}

/** How long contenders get to end after the last grant, in milliseconds. */
const END_MS = 120_000;

/** Runs one to its end. */
export async function contest(options: ContestOptions): Promise<ContestReport> {
  const { url, grants, ttlMs, say = () => {} } = options;
  const startedAt = performance.now();
  const prefix = `t-locks-${crypto.randomUUID().slice(0, 8)}:`;
  const resource = new Resource();
  const { count, disturbed } = resource;
  const running = new Map<string, ChildProcess>();
  const asleep: ChildProcess[] = [];
  let made = 0;
  let [killed, stopped] = [0, 0];
  const start = () => {
    const name = `p${made++}`;
    const { contenders } = options;
    const settings: ContenderSettings = { url, prefix, name: "contested", process: name, contenders, ttlMs };
    const child = fork(fileURLToPath(new URL("contender.ts", import.meta.url)), {
      execArgv: [...TYPESCRIPT],
      env: { ...process.env, [SETTINGS_VARIABLE]: JSON.stringify(settings) },
    });
    running.set(name, child);
    child.on("message", (message: ContenderMessage) => receive(name, child, message));
    child.on("exit", () => running.delete(name));
  };
  // Half of the time a disturbance falls due it is the holder's process that it befalls: the worst that can be.
  const everyGrants = Math.max(1, Math.floor(grants / (options.kills + options.stops + 1)));
  const disturb = (holder: string, child: ChildProcess) => {
    if (count.grants % everyGrants !== 0 || count.grants >= grants) return;
    if (stopped * (options.kills + 1) <= killed * options.stops && stopped < options.stops) {
      stopped++;
      disturbed.add(holder);
      child.kill("SIGSTOP");
      // Until its lease has ended and another one has the lock: what it writes then is late for certain.
      asleep.push(child);
      return;
    }
    if (killed >= options.kills) return;
    const victim = killed++ % 2 === 0 ? holder : [...running.keys()].find((name) => !disturbed.has(name)) ?? holder;
    disturbed.add(victim);
    running.get(victim)?.kill("SIGKILL");
    start();
  };
  const receive = (name: string, child: ChildProcess, message: ContenderMessage) => {
    if (message.type === "ask") resource.asked(message);
    if (message.type === "release") resource.released(message);
    if (message.type === "refused") resource.refused(message);
    if (message.type !== "enter" && message.type !== "leave") return;
    const accepted = resource.write(message);
    if (accepted && message.type === "enter") { for (const late of asleep.splice(0)) late.kill("SIGCONT"); }
    if (accepted && message.type === "enter") disturb(name, child);
    const answer = { owner: message.owner, fence: message.fence, accepted, enough: count.grants >= grants };
    if (child.connected) child.send(answer, () => {});
  };
  const onExit = () => running.forEach((child) => child.kill("SIGKILL"));
  process.on("exit", onExit);
  try {
    for (let n = 0; n < options.processes; n++) start();
    const until = startedAt + options.limitMs;
    for (let told = 0; count.grants < grants && performance.now() < until;) {
      await pause(50);
      if (performance.now() - told > 5000) {
        told = performance.now();
        say(`${count.grants} grants, ${killed} killed, ${stopped} stopped`);
      }
    }
    const endUntil = performance.now() + END_MS;
    while (running.size > 0 && performance.now() < endUntil) await pause(20);
    const forgotten = running.size === 0 ? 0 : await stillWaiting(url, prefix);
    return { ...count, killed, stopped, forgotten, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    onExit();
    process.off("exit", onExit);
    await removeKeys(url, prefix);
  }
}

/** Those in processes that have not ended: they wait, or would, for what nobody has. */
async function stillWaiting(url: string, prefix: string): Promise<number> {
  await using store = await openRedisStore({ url, prefix, instance: "referee" });
  return Math.max(1, (await store.locks.inspect("contested")).waiting);
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const connection = await RedisConnection.open({ url });
  const names = await connection.send<string[]>(["KEYS", `${prefix}*`]);
  if (names.length > 0) await connection.send(["DEL", ...names]);
  connection.close();
}

/** The broken promises of a report, a line each. */
export function broken(report: ContestReport, options: Pick<ContestOptions, "grants">): string[] {
  const { grants, fencesThatFell, twoHolders, worstPlace, forgotten } = report;
  return [
    ...(grants < options.grants ? [`only ${grants} of ${options.grants} grants came`] : []),
    ...(fencesThatFell > 0 ? [`${fencesThatFell} fences did not rise`] : []),
    ...(twoHolders > 0 ? [`${twoHolders} holders did not know that they were none`] : []),
    ...(worstPlace > 1 ? [`a turn came ${worstPlace} places off`] : []),
    ...(forgotten > 0 ? [`${forgotten} waiters were forgotten`] : []),
  ];
}
