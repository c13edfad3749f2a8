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
import { isMainThread } from "node:worker_threads";
import * as hooks from "./hooks.js";

let isRegistered = false;

/** Registers it in this thread, once; a thread of ours calls it by its name in `tsx/esm/api`. */
export function register() {
  if (isRegistered) return;
  isRegistered = true;
  // In this thread where Node can (22.15 and later); in Node 20 in one of their own.
  if (module.registerHooks === undefined) module.register("./hooks.js", import.meta.url);
  else module.registerHooks(hooks);
  process.setSourceMapsEnabled(true);
}

// With NODE_OPTIONS the thread of the hooks comes here too, and needs none itself.
if (isMainThread) register();
