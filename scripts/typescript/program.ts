/**
 * Makes a few files of the whole program, for the instances that a test run starts by the hundred: such a one starts at
 * a third of what its sources cost. It lies in a folder of its own, as `dist` does in the image.
 */
import { copyFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { WHOLE } from "./packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = join(ROOT, "node_modules/.cache");
/** What is started by its file's name. */
const ENTRIES = { main: "src/main.ts", evaluator: "src/expression/threads/evaluator.ts" };

/** A program that was made, and the folder to remove after it. */
export interface MadeProgram {
  /** The file to start. */
  readonly main: string;
  readonly folder: string;
}

/** Makes it of the sources as they are now. */
export async function makeProgram(): Promise<MadeProgram> {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "program-"));
  await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outdir: join(folder, "dist"),
    ...WHOLE,
  });
  copyFileSync(join(ROOT, "package.json"), join(folder, "package.json"));
  return { main: join(folder, "dist/main.js"), folder };
}
