/**
 * Makes a few files of all test files and of what they import, where each test file's process would load some hundred
 * sources: it then starts at less than half of that, and what several share is made once.
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin, transform } from "esbuild";
import { fileOf, PACKAGES, readPackages } from "./hooks.js";
import { MODULES } from "./packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache");

/** It starts the evaluator beside itself, which is made, too; all others look for files where their sources are. */
const BESIDE = "src/expression/threads/expression_thread.ts";
const EVALUATOR = { in: "src/expression/threads/evaluator.ts", out: "evaluator" };

/** Packages of modules that may become part of what is made. */
const WITHIN = /^(hono|uvu|fast-check)(\/|$)/;

/** Test files that were made, and the folder to remove after them. */
export interface MadeTests {
  /** The arguments of Node that start the test file at `path`. */
  start(path: string): string[];
  readonly folder: string;
}

/** Makes them of the sources as they are now; `paths` are relative to the repository. */
export async function makeTests(paths: readonly string[]): Promise<MadeTests> {
  mkdirSync(CACHE, { recursive: true });
  // Under node_modules, from where packages are found.
  const folder = mkdtempSync(join(CACHE, "tests-"));
  await build({
    absWorkingDir: ROOT,
    entryPoints: [EVALUATOR, ...paths.map((path) => ({ in: path, out: nameOf(path) }))],
    outdir: folder,
    ...MODULES,
    sourcemap: "linked",
    sourcesContent: false,
    plugins: [places, packages()],
  });
  return { folder, start: (path) => ["--enable-source-maps", join(folder, `${nameOf(path)}.js`)] };
}

function nameOf(path: string): string {
  return path.replaceAll("/", "-").replace(/\.ts$/, "");
}

/** A module's `import.meta.url` stays that of its source. */
const places: Plugin = {
  name: "places",
  setup({ onLoad }) {
    onLoad({ filter: /\.[jt]s$/ }, async ({ path }) => {
      if (path.includes("node_modules") || path === join(ROOT, BESIDE)) return undefined;
      const text = await readFile(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const { code } = await transform(text, {
        loader: path.endsWith("ts") ? "ts" : "js",
        target: MODULES.target,
        define: { "import.meta.url": JSON.stringify(pathToFileURL(path).href) },
        sourcemap: "inline",
        sourcefile: path,
        sourcesContent: false,
      });
      return { contents: code, loader: "js" };
    });
  },
};

/** Packages stay apart, some as the one file that `packages.ts` made of each. */
function packages(): Plugin {
  const made = readPackages();
  return {
    name: "packages",
    setup({ onResolve }) {
      onResolve({ filter: /^[@a-z]/ }, ({ path, kind }) => {
        if (kind === "entry-point" || WITHIN.test(path)) return undefined;
        const file = made.has(path) ? fileURLToPath(new URL(fileOf(path), PACKAGES)) : path;
        return { path: file, external: true };
      });
    },
  };
}
