/**
 * Loads our TypeScript as JavaScript, from a cache in node_modules/.cache; and some packages of many files as one file
 * each, where `packages.ts` has made them.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const ROOT = new URL("../../", import.meta.url);
const CACHE = fileURLToPath(new URL("node_modules/.cache/typescript/", ROOT));
/** Where packages that were made to one file are. */
export const PACKAGES = new URL("node_modules/.cache/packages/", ROOT);
/** Of what is kept: another version of this file may make another thing of the same source. */
const VERSION = "1";

const packages = readPackages();

/** Node's hook (module customization, `resolve`). */
export function resolve(specifier, context, next) {
  if (specifier.startsWith(".") && specifier.endsWith(".ts") && context.parentURL !== undefined) {
    return { url: new URL(specifier, context.parentURL).href, format: "module", shortCircuit: true };
  }
  if (specifier === "tsx/esm/api") return { url: new URL("register.js", import.meta.url).href, shortCircuit: true };
  const bundle = packages.get(specifier);
  if (bundle !== undefined) return { url: bundle, format: "module", shortCircuit: true };
  return next(specifier, context);
}

/** Node's hook (module customization, `load`). */
export function load(url, context, next) {
  if (!url.startsWith("file:") || !/\.m?ts$/.test(url)) return next(url, context);
  const path = fileURLToPath(url);
  return { format: "module", source: compiled(path, readFileSync(path, "utf8")), shortCircuit: true };
}

/** The JavaScript of a file: what is kept under its path ends with a digest of what it was made of. */
function compiled(path, source) {
  const kept = `${CACHE}${digestOf(path)}.js`;
  const mark = `//${digestOf(VERSION + source)}\n`;
  try {
    const code = readFileSync(kept, "utf8");
    if (code.endsWith(mark)) return code;
  } catch {
    // It is not there yet.
  }
  // With threads of its own, which would load what NODE_OPTIONS names by these hooks, it would wait for itself.
  process.env.ESBUILD_WORKER_THREADS = "0";
  const { code } = require("esbuild").transformSync(source, {
    loader: "ts",
    format: "esm",
    target: "node20.19",
    sourcefile: path,
    sourcemap: "inline",
    sourcesContent: false,
  });
  mkdirSync(CACHE, { recursive: true });
  // Several processes may do so at once: each writes a file of its own first.
  const own = `${kept}.${process.pid}`;
  writeFileSync(own, code + mark);
  renameSync(own, kept);
  return code;
}

function digestOf(text) {
  return createHash("sha1").update(text).digest("hex");
}

/** The packages that were made since packages were installed last, by what they are imported as. */
export function readPackages() {
  try {
    const list = new URL("list.json", PACKAGES);
    const installed = statSync(new URL("node_modules/.package-lock.json", ROOT)).mtimeMs;
    if (statSync(list).mtimeMs < installed) return new Map();
    const names = JSON.parse(readFileSync(list, "utf8"));
    return new Map(names.map((name) => [name, new URL(fileOf(name), PACKAGES).href]));
  } catch {
    return new Map();
  }
}

/** The file that a package is made to. */
export function fileOf(name) {
  return `${name.replace("@", "").replace("/", "-")}.js`;
}
