/**
 * Lets Node 20 run TypeScript in the processes of a test run, of which there are hundreds: it starts them at half of
 * what tsx costs, and they need none of what else tsx can do.
 *
 * @example
 * ```sh
 * node --import ./scripts/typescript/register.js tests/lib/cron_test.ts
 * ```
 */
import * as module from "node:module";
import process from "node:process";
import * as hooks from "./hooks.js";

// In this thread where Node can (22.15 and later); in Node 20 in one of their own.
if (module.registerHooks === undefined) module.register("./hooks.js", import.meta.url);
else module.registerHooks(hooks);
process.setSourceMapsEnabled(true);

/** What a thread of ours does that needs TypeScript, here as in `tsx/esm/api`: importing this file is enough. */
export function register() {}
