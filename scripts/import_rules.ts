/**
 * Checks the house rules of ARCHITECTURE.md, here which file may import what: `node --import tsx scripts/import_rules.ts`.
 * What a file's text must keep to is in `text_rules.ts`.
 *
 * Every folder is a room, nested folders too, and every room lists the rooms that it may import from. Type imports count
 * like any other: they are dependencies too.
 *
 * @example
 * ```ts
 * checkImports(new Map([["src/lib/a.ts", 'import type { b } from "../http/b.ts";\n']]));
 * // ["src/lib/a.ts:1 imports ../http/b.ts: lib may not import from http"]
 * ```
 */
import { readdir, readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { posix } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { findImports, type Import } from "./imports.ts";
import { checkTestFolders, checkTexts } from "./text_rules.ts";

/** The rooms with the ports of the store, and what these speak of. */
const PORTS = ["audit", "caches", "execution", "feed", "locks", "schedules", "sessions", "telemetry", "workflow"];

/** The rooms that each room may import from, besides itself and `lib`. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  telemetry: [],
  audit: [],
  config: ["telemetry"],
  expression: [],
  "expression/threads": ["expression"],
  workflow: ["expression"],
  nodes: ["caches", "expression", "locks", "workflow"],
  execution: ["expression", "workflow"],
  replay: ["execution", "expression", "workflow"],
  sessions: [],
  engine: ["execution", "expression", "nodes", "replay", "workflow"],
  feed: ["execution", "workflow"],
  locks: [],
  caches: ["locks"],
  schedules: ["execution", "workflow"],
  "http/protocol": ["config", "execution"],
  "http/frame": [...PORTS, "config", "http/protocol", "replay"],
  "http/webhook/verify": ["workflow"],
  "http/webhook": ["caches", "execution", "http/frame", "http/protocol", "http/webhook/verify", "workflow"],
  "http/api": [...PORTS, "http/frame", "http/protocol", "replay"],
  "http/browser": ["http/frame", "http/protocol", "sessions"],
  http: ["http/api", "http/frame", "http/protocol", "http/webhook"],
  start: [
    ...["caches", "config", "engine", "execution", "expression", "feed", "locks", "schedules", "telemetry", "workflow"],
    ...["storage", "storage/memory", "storage/postgres", "storage/redis"],
  ],
  cli: ["audit", "execution"],
  "storage/postgres": ["execution", "feed", "workflow"],
  storage: PORTS,
  "storage/memory": [...PORTS, "storage"],
  "storage/redis/connection": ["execution"],
  "storage/redis/scripts": ["storage/redis/connection"],
  "storage/redis/streams": ["execution", "storage/redis/connection", "storage/redis/scripts"],
  "storage/redis": [
    ...PORTS,
    "storage",
    ...["connection", "scripts", "streams"].map((room) => `storage/redis/${room}`),
  ],
};

/** Where Node's own modules may appear; everything else is Web APIs. */
const NODE_FILE =
  /^src\/(main|start\/(load_workflows|own_process|processes|stores)|http\/(server|upgrade)|telemetry\/logger|nodes\/guarded_fetch|expression\/threads\/\w+)\.ts$|^src\/(cli|storage\/redis)\//;

interface Rule {
  /** What is wrong about `it`, if anything. */
  check(it: Import): string | undefined;
}

const RULES: readonly Rule[] = [
  {
    check: ({ file, specifier }) =>
      specifier === "pg" && !file.startsWith("src/storage/postgres/")
        ? "only src/storage/postgres/ touches the client"
        : undefined,
  },
  {
    check: ({ file, specifier }) =>
      /^(redis|@redis\/.*)$/.test(specifier) && !file.startsWith("src/storage/redis/connection/")
        ? "only src/storage/redis/connection/ touches the client"
        : undefined,
  },
  {
    check: ({ file, specifier }) =>
      isBuiltin(specifier) && !NODE_FILE.test(file) ? "Node's own modules are for the edges of src/ only" : undefined,
  },
  { check: ({ barrel }) => barrel ? "no barrels: export names, from the file that has them" : undefined },
  {
    check: ({ target }) =>
      target !== undefined && !target.startsWith("src/") ? "src/ imports nothing from outside of it" : undefined,
  },
  { check: direction },
];

/** `main.ts` may import from everywhere; a room that {@linkcode ROOMS} does not name, from nowhere. */
function direction({ file, target }: Import): string | undefined {
  const [from, to] = [roomOf(file), roomOf(target ?? "")];
  if (target === undefined || !target.startsWith("src/") || from === to || from === "main.ts") return undefined;
  const allowed = ROOMS[from];
  if (allowed === undefined) return `${from} is no room of scripts/import_rules.ts`;
  return to === "lib" || allowed.includes(to) ? undefined : `${from} may not import from ${to}`;
}

/** The folder of a file below src/; a file right in src/ is a room of its own. */
function roomOf(file: string): string {
  const folder = posix.dirname(file).slice("src/".length);
  return folder || posix.basename(file);
}

/** Every broken rule in `files` (texts by path from the repository's root), one line each. */
export function checkImports(files: ReadonlyMap<string, string>): string[] {
  const imports = [...files].flatMap(([file, text]) => findImports(file, text));
  const broken = imports.flatMap((it) =>
    RULES.flatMap((rule) => {
      const message = rule.check(it);
      return message === undefined ? [] : [`${place(it)}: ${message}`];
    })
  );
  return [...broken, ...findCycles(imports)];
}

/** One line for each import that closes a circle of rooms. */
function findCycles(imports: readonly Import[]): string[] {
  const edges = new Map<string, Map<string, Import>>();
  for (const it of imports) {
    if (it.target === undefined) continue;
    const [from, to] = [roomOf(it.file), roomOf(it.target)];
    if (from === to) continue;
    const out = edges.get(from) ?? new Map<string, Import>();
    edges.set(from, out);
    if (!out.has(to)) out.set(to, it);
  }
  const lines: string[] = [];
  const done = new Set<string>();
  const visit = (room: string, path: readonly string[]): void => {
    for (const [to, it] of edges.get(room) ?? []) {
      const start = path.indexOf(to);
      if (start >= 0) lines.push(`${place(it)}: closes the circle ${[...path.slice(start), to].join(" → ")}`);
      else if (!done.has(to)) visit(to, [...path, to]);
    }
    done.add(room);
  };
  for (const room of edges.keys()) if (!done.has(room)) visit(room, [room]);
  return lines;
}

function place({ file, line, specifier }: Import): string {
  return `${file}:${line} imports ${specifier}`;
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtinModules.includes(specifier);
}

/** The texts of all TypeScript below a folder, by their paths from the repository's root. */
async function readTexts(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts")).sort();
  const texts = names.map(async (name) => [toPath(folder, name), await readFile(`${folder}/${name}`, "utf8")] as const);
  return new Map(await Promise.all(texts));
}

async function foldersOf(root: string): Promise<Set<string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory());
  return new Set(folders.map(({ parentPath, name }) => toPath(parentPath, name).slice(root.length + 1)));
}

function toPath(folder: string, name: string): string {
  return `${folder}/${name}`.replaceAll("\\", "/");
}

async function main(): Promise<void> {
  const sources = await readTexts("src");
  const broken = [
    ...checkImports(sources),
    ...checkTexts(new Map([...sources, ...await readTexts("scripts")])),
    ...checkTestFolders(await foldersOf("tests"), await foldersOf("src")),
  ];
  for (const line of broken) console.error(line);
  if (broken.length > 0) process.exitCode = 1;
}

if (argv[1] === fileURLToPath(import.meta.url)) await main();
