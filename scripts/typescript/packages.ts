/**
 * Makes one file each of packages that consist of many, for the loader beside this: what a process reads to start is
 * then ten files, not a thousand.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { fileOf, PACKAGES, readPackages } from "./hooks.js";

/** Those that cost most to load, by how they are written. */
const COSTLY: Readonly<Record<string, "CommonJS" | "modules">> = {
  "@hono/node-server": "modules",
  "@redis/json": "CommonJS",
  pino: "CommonJS",
  "prom-client": "CommonJS",
  redis: "CommonJS",
  undici: "CommonJS",
  zod: "modules",
};

/** What CommonJS may expect that a module has not. */
const HEAD = `import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
const require = createRequire(import.meta.url);
const __filename = fileURLToPath(import.meta.url);
const __dirname = fileURLToPath(new URL(".", import.meta.url));`;

/** How modules are made one, for the oldest Node that is supported. */
export const MODULES = {
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  logLevel: "error",
} as const satisfies BuildOptions;

/** The same where packages in CommonJS become part of them. */
export const WHOLE = { ...MODULES, banner: { js: HEAD } } as const satisfies BuildOptions;

/** Makes them, unless that was done since packages were installed last. */
export async function makePackages(): Promise<void> {
  if (readPackages().size > 0) return;
  const names = Object.keys(COSTLY);
  const sources = new Map(await Promise.all(names.map(async (name) => [name, await sourceOf(name)] as const)));
  const whole: Plugin = {
    name: "whole packages",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^whole:/ }, ({ path }) => ({ path: path.slice("whole:".length), namespace: "whole" }));
      onLoad({ filter: /./, namespace: "whole" }, ({ path }) => ({
        contents: sources.get(path)!,
        resolveDir: fileURLToPath(new URL(".", import.meta.url)),
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: names.map((name) => ({ in: `whole:${name}`, out: fileOf(name).replace(/\.js$/, "") })),
    outdir: fileURLToPath(PACKAGES),
    ...WHOLE,
    minifyWhitespace: true,
    plugins: [whole],
    write: false,
  });
  mkdirSync(PACKAGES, { recursive: true });
  for (const { path, contents } of outputFiles) writeAtOnce(path, contents);
  // Last: whoever reads the list finds what it names.
  writeAtOnce(fileURLToPath(new URL("list.json", PACKAGES)), JSON.stringify(names));
}

/** Another run may do the same, and a third read it already. */
function writeAtOnce(path: string, contents: string | Uint8Array): void {
  writeFileSync(`${path}.${process.pid}`, contents);
  renameSync(`${path}.${process.pid}`, path);
}

/** A module that exports what importing the package gives. */
async function sourceOf(name: string): Promise<string> {
  const { default: whole, ...rest } = await import(name) as Record<string, unknown>;
  if (COSTLY[name] === "modules") {
    return `export * from "${name}";${whole === undefined ? "" : `export { default } from "${name}";`}`;
  }
  const names = Object.keys(rest).filter((each) => each !== "module.exports");
  const exported = names.map((each) => `const _${each} = whole.${each}; export { _${each} as ${each} };`);
  return `const whole = require("${name}"); export default whole; ${exported.join("\n")}`;
}
