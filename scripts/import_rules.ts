/**
 * Checks which file may import what, as ARCHITECTURE.md has it: `node --import tsx scripts/import_rules.ts`.
 *
 * @example
 * ```ts
 * checkImports(new Map([["src/http/a.ts", 'import { b } from "../execution/b.ts";\n']]));
 * // ["src/http/a.ts:1 imports ../execution/b.ts: http and execution never import each other"]
 * ```
 */
import { readdir, readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { posix } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

/** One import or re-export of a file. */
export interface Import {
  /** The importing file, from the repository's root. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** The file that a relative specifier names, else `undefined`. */
  readonly target: string | undefined;
  /** `import type`: nothing is left of it at run time. */
  readonly typeOnly: boolean;
  /** `export * from`. */
  readonly barrel: boolean;
}

interface Rule {
  readonly message: string;
  /** Whether `it` breaks the rule. */
  breaks(it: Import): boolean;
}

/** Drivers of Redis: the folder redis/, any other folder or file of that name, `redis_*.ts`, `src/log/redis*`. */
const REDIS_FILE = /^src\/main\.ts$|\/redis\/|\/redis(_[^/]*)?\.ts$|^src\/log\/redis/;
/** Where Node's own modules may appear; everything else is Web APIs. */
const NODE_FILE = /^src\/(main|listen|logger|nodes\/guarded_fetch)\.ts$|^src\/(cli|threads)\//;

const RULES: readonly Rule[] = [
  {
    message: "only src/main.ts, src/redis/ and Redis drivers touch the client",
    breaks: ({ file, specifier }) => /^(redis|@redis\/.*)$/.test(specifier) && !REDIS_FILE.test(file),
  },
  {
    message: "http and execution never import each other",
    breaks: ({ file, target = "" }) =>
      (inFolder(file, "http") && inFolder(target, "execution")) ||
      (inFolder(file, "execution") && inFolder(target, "http")),
  },
  {
    message:
      "Node's own modules are for src/main.ts, src/listen.ts, src/logger.ts, src/nodes/guarded_fetch.ts, src/cli/, src/threads/ and Redis drivers",
    breaks: ({ file, specifier }) => isBuiltin(specifier) && !NODE_FILE.test(file) && !REDIS_FILE.test(file),
  },
  {
    message: "no barrels: export names, from the file that has them",
    breaks: ({ barrel }) => barrel,
  },
  {
    message: "src/ imports nothing from outside of it",
    breaks: ({ target }) => target !== undefined && !target.startsWith("src/"),
  },
];

/** Every broken rule in `files` (texts by path from the repository's root), one line each. */
export function checkImports(files: ReadonlyMap<string, string>): string[] {
  const imports = [...files].flatMap(([file, text]) => findImports(file, text));
  const broken = imports.flatMap((it) =>
    RULES.filter((rule) => rule.breaks(it)).map(({ message }) => `${place(it)}: ${message}`)
  );
  return [...broken, ...findCycles(imports)];
}

/** The imports of a file, by the statements at the beginning of a line, as `deno fmt` puts them, and by `import()`. */
export function findImports(file: string, text: string): Import[] {
  const code = text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
  const statement =
    /^(?:import|export)(\s+type)?\s+(?:[\w$*{},\s]+?\sfrom\s+)?["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/gm;
  return [...code.matchAll(statement)].map((match) => {
    const specifier = (match[2] ?? match[3])!;
    return {
      file,
      line: code.slice(0, match.index).split("\n").length,
      specifier,
      target: specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined,
      typeOnly: match[1] !== undefined,
      barrel: /^export(\s+type)?\s*\*(?!\s*as\b)/.test(match[0]),
    };
  });
}

/** One line for each folder edge that closes a cycle; a file right in src/ counts as a folder of its own. */
function findCycles(imports: readonly Import[]): string[] {
  const edges = new Map<string, Map<string, Import>>();
  for (const it of imports) {
    if (it.typeOnly || it.target === undefined) continue;
    const [from, to] = [folderOf(it.file), folderOf(it.target)];
    if (from === to) continue;
    const out = edges.get(from) ?? new Map<string, Import>();
    edges.set(from, out);
    if (!out.has(to)) out.set(to, it);
  }
  const lines: string[] = [];
  const done = new Set<string>();
  const visit = (folder: string, path: readonly string[]): void => {
    for (const [to, it] of edges.get(folder) ?? []) {
      const start = path.indexOf(to);
      if (start >= 0) lines.push(`${place(it)}: closes the cycle ${[...path.slice(start), to].join(" → ")}`);
      else if (!done.has(to)) visit(to, [...path, to]);
    }
    done.add(folder);
  };
  for (const folder of edges.keys()) if (!done.has(folder)) visit(folder, [folder]);
  return lines;
}

function place({ file, line, specifier }: Import): string {
  return `${file}:${line} imports ${specifier}`;
}

function folderOf(file: string): string {
  const folder = posix.dirname(file).slice("src/".length);
  return folder || posix.basename(file);
}

function inFolder(file: string, folder: string): boolean {
  return file.startsWith(`src/${folder}/`);
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith("node:") || builtinModules.includes(specifier);
}

async function main(): Promise<void> {
  const names = (await readdir("src", { recursive: true })).filter((name) => name.endsWith(".ts")).sort();
  const files = new Map<string, string>();
  for (const name of names) {
    files.set(`src/${name.replaceAll("\\", "/")}`, await readFile(`src/${name}`, "utf8"));
  }
  const broken = checkImports(files);
  for (const line of broken) console.error(line);
  if (broken.length > 0) process.exitCode = 1;
}

if (argv[1] === fileURLToPath(import.meta.url)) await main();
