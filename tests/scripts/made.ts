/**
 * What a made file must be able to do: start the evaluator's thread, read what lies beside its source, and tell its line.
 */
import { readFileSync } from "node:fs";
import { ExpressionThreads } from "../../src/expression/threads/expression_threads.ts";
import { jobOf } from "../expression/threads/jobs.ts";

await using threads = new ExpressionThreads({ threads: 1 });
const value = await threads.run(jobOf("6 * 7"), { owner: "a", signal: undefined });
const [, line] = /made\.ts:(\d+):/.exec(new Error().stack!)!;
console.log(value, readFileSync(new URL("made.ts", import.meta.url), "utf8").split("\n")[Number(line) - 1]);
