/**
 * A PostgreSQL of one's own: one that is installed, or Debian's package, on a free port of 127.0.0.1, in a folder of its
 * own, stopped by its process id.
 *
 * @example
 * ```ts
 * const found = await findPostgres();
 * if ("binaries" in found) { await using postgres = await startPostgres(found); console.log(postgres.url); }
 * ```
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { chown, mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid } from "node:process";
import { runCommand } from "./command.ts";
import { leftovers } from "./leftovers.ts";
import { collectOutput, freePort, isRunning, untilAnswers } from "./server_process.ts";

/** The oldest that the archive takes. */
const OLDEST = 15;
/** Where Debian keeps the versions, one a folder. */
const VERSIONS = "/usr/lib/postgresql";
/** How long it may take to answer, in milliseconds. */
const START_MS = 60_000;

/** Where the programs are, or why there are none. */
export type FoundPostgres = { readonly binaries: string; readonly version: string } | { readonly reason: string };

/** A PostgreSQL that runs; its superuser is `postgres`, without a password, on this machine only. */
export interface RunningPostgres extends AsyncDisposable {
  /** Of its database `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  /** Kills it as a power cut would, `kill -9` of all its processes; its folder stays. */
  kill(): Promise<void>;
  /** Starts it again after {@linkcode RunningPostgres.kill}, on the same port and folder. */
  start(): Promise<void>;
  /** Ends it and removes its folder; again: nothing. */
  stop(): Promise<void>;
}

/** Looks for one that is new enough; where we are root on a Debian, its package is installed. */
export async function findPostgres(): Promise<FoundPostgres> {
  const installed = newest();
  if (installed !== undefined) return installed;
  if (getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return { reason: "no PostgreSQL 15 or newer is installed" };
  console.error("Installing Debian's package postgresql (once)");
  // Its own cluster is not wanted: nothing of the machine is to run on.
  const script = `set -e
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends postgresql-common
    sed -i 's/^#\\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    apt-get install -y -qq --no-install-recommends postgresql`;
  const { code, output } = await runCommand("sh", ["-c", script], { timeoutMs: 180_000 });
  const found = newest();
  if (found !== undefined) return found;
  const last = output.trim().split("\n").at(-1) ?? "";
  return { reason: code === 0 ? "Debian's postgresql is older than 15" : `it cannot be installed: ${last}` };
}

function newest(): { binaries: string; version: string } | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).map(Number).filter((number) => number >= OLDEST) : [];
  for (const version of versions.sort((a, b) => b - a)) {
    const binaries = join(VERSIONS, String(version), "bin");
    if (existsSync(join(binaries, "postgres"))) return { binaries, version: String(version) };
  }
  return undefined;
}

/** PostgreSQL refuses to run as root: then it is whom Debian made for it, or nobody. */
function otherUser(): { uid: number; gid: number } | undefined {
  if (getuid?.() !== 0) return undefined;
  const idOf = (option: string, name: string) => Number(execFileSync("id", [option, name], { stdio: "pipe" }));
  try {
    return { uid: idOf("-u", "postgres"), gid: idOf("-g", "postgres") };
  } catch {
    return { uid: idOf("-u", "nobody"), gid: idOf("-g", "nobody") };
  }
}

/**
 * Starts one. Without `durable` it does not wait for its disk: it survives a kill, not a power cut.
 *
 * @param options.settings more of postgres's own, by name
 */
export async function startPostgres(
  { binaries }: { binaries: string },
  options: { durable?: boolean; settings?: Readonly<Record<string, string>> } = {},
): Promise<RunningPostgres> {
  const user = otherUser();
  const dir = await mkdtemp(join(tmpdir(), "millrace-postgres-"));
  if (user !== undefined) await chown(dir, user.uid, user.gid);
  const port = await freePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    ...(options.durable ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  let child: ChildProcess | undefined;
  const killAll = () => {
    if (child?.pid === undefined) return;
    try {
      // Its processes are a group of their own.
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nobody is left in it.
    }
  };
  const end = () => {
    killAll();
    rmSync(dir, { recursive: true, force: true });
    leftovers.delete(end);
  };
  leftovers.add(end);
  const start = async () => {
    const started = spawn(join(binaries, "postgres"), ["-D", dir, ...args], {
      ...user,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
      cwd: dir,
    });
    child = started;
    const lastOutput = collectOutput(started);
    const hasAnswered = await untilAnswers(started, { ask: () => ask(port), timeoutMs: START_MS });
    if (!hasAnswered) throw new Error(`PostgreSQL does not start: ${lastOutput()}`);
  };
  try {
    execFileSync(join(binaries, "initdb"), [
      "-D",
      dir,
      "-U",
      "postgres",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--locale=C",
      "-N",
    ], {
      ...user,
      stdio: "pipe",
      cwd: dir,
    });
    await start();
  } catch (error) {
    end();
    throw error;
  }
  const kill = async () => {
    const gone = isRunning(child!) ? once(child!, "exit") : undefined;
    killAll();
    await gone;
    rmSync(join(dir, "postmaster.pid"), { force: true });
  };
  const stop = async () => {
    if (!leftovers.has(end)) return;
    await kill();
    end();
  };
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    port,
    get pid() {
      return child!.pid!;
    },
    dir,
    kill,
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** True once PostgreSQL accepts connections: it answers a startup message with `R`, and with `E` while it starts. */
function ask(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      const user = "user\0postgres\0database\0postgres\0\0";
      const message = Buffer.alloc(8 + user.length);
      message.writeInt32BE(message.length, 0);
      message.writeInt32BE(0x30000, 4);
      message.write(user, 8);
      socket.write(message);
    });
    socket.setTimeout(2000, () => socket.destroy());
    socket.once("data", (data) => {
      resolve(String.fromCharCode(data[0]!) === "R" ? true : undefined);
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(undefined));
  });
}
