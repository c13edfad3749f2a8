/**
 * Finds or installs a Redis, in this order of preference: `redis-server` with JSON built in, `redis-server` with the JSON module,
 * `redis:8` in Docker, and at the last a `redis-server` without JSON.
 *
 * @example
 * ```ts
 * await using redis = await startRedis({ json: true });
 * console.log(redis.url, redis.version, redis.json);
 * ```
 */
import { getuid } from "node:process";
import { runCommand } from "./command.ts";
import { jsonModules } from "./redis_json_module.ts";
import { launch, type LaunchOptions, type RedisServer, type RunningRedis } from "./redis_server.ts";

export type { RedisServer, RunningRedis };

/** The environment variable in which {@linkcode findRedisServer}'s answer reaches child processes, as JSON. */
export const FOUND_VARIABLE = "TEST_REDIS_SERVER";

const IMAGE = "redis:8";
const CONTAINER = ["run", "--rm", "--name", "{name}", "--network", "host"];

/** Options of {@linkcode startRedis}. */
export interface StartOptions extends LaunchOptions {
  /** With the JSON commands if they can be had (see `json` of what comes back), or without them. */
  readonly json: boolean;
}

let found: Promise<RedisServer> | undefined;

/** The Redis to use, asked for once a process. Throws when there is none and none can be fetched. */
export function findRedisServer(): Promise<RedisServer> {
  const known = process.env[FOUND_VARIABLE];
  return found ??= known ? Promise.resolve(JSON.parse(known) as RedisServer) : search();
}

/** Starts a Redis of one's own; throws when it does not start. */
export async function startRedis({ json, ...options }: StartOptions): Promise<RunningRedis> {
  const server = await findRedisServer();
  // One that a test file starts dies with the file, whose process group is killed when its time is up.
  const grouped = process.env[FOUND_VARIABLE] !== undefined;
  return await launch(json ? server : withoutJson(server), { grouped, ...options });
}

/** The same server without the module; where JSON is built in, it stays. */
function withoutJson(server: RedisServer): RedisServer {
  const args = server.binary === "docker" ? [...CONTAINER, "--entrypoint", "redis-server", IMAGE] : [];
  return { ...server, args, json: false };
}

function say(line: string): void {
  console.error(line);
}

async function search(): Promise<RedisServer> {
  const binary = await installedServer();
  const plain = binary === undefined ? undefined : await tried({ binary, args: [] }, "");
  if (plain?.json) return plain;
  if (plain !== undefined) {
    for (const path of await jsonModules(say)) {
      const withModule = await tried({ binary: plain.binary, args: ["--loadmodule", path] }, ` with ${path}`);
      if (withModule?.json) return withModule;
    }
  }
  if ((await runCommand("docker", ["info"], { timeoutMs: 10_000 })).code === 0) {
    const container = await tried({ binary: "docker", args: [...CONTAINER, IMAGE, "redis-server"] }, ` in Docker`);
    if (container !== undefined && (container.json || plain === undefined)) return container;
  }
  if (plain !== undefined) return plain;
  throw new Error("No Redis 7.0 or later was found: set REDIS_URL, or install redis-server or Docker");
}

/** Starts it once to see whether it works, what version it is and whether it has JSON. */
async function tried(
  server: Pick<RedisServer, "binary" | "args">,
  how: string,
): Promise<RedisServer | undefined> {
  try {
    await using redis = await launch({ ...server, json: false, description: "" });
    if (Number.parseInt(redis.version) < 7) {
      say(`Redis ${redis.version}${how} is too old: 7.0 is the oldest that will do`);
      return undefined;
    }
    const description = `Redis ${redis.version}${how}, ${redis.json ? "with JSON" : "without JSON"}`;
    return { ...server, json: redis.json, description };
  } catch (error) {
    say((error as Error).message);
    return undefined;
  }
}

/** `redis-server` of the PATH, installed first where that needs no asking: as root, with apt-get. */
async function installedServer(): Promise<string | undefined> {
  const binary = "redis-server";
  const works = async () => (await runCommand(binary, ["--version"])).code === 0;
  if (await works()) return binary;
  if (getuid?.() !== 0 || (await runCommand("apt-get", ["--version"])).code !== 0) return undefined;
  say("Installing redis-server (apt-get)");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await runCommand("apt-get", ["update"], { env });
  const result = await runCommand("apt-get", ["install", "--yes", "--no-install-recommends", binary], { env });
  if (result.code !== 0) say(`Cannot install redis-server: ${result.output.trim()}`);
  return await works() ? binary : undefined;
}
