// not quick: every line is the output of a process
import { execFileSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TYPESCRIPT } from "../../scripts/typescript/loader.ts";

/** What a process of its own writes that makes a logger and runs this. */
function output(body: string, level = "info"): Record<string, unknown>[] {
  const script = `import { createLogger } from "./src/telemetry/logger.ts";
    const logger = createLogger({ level: "${level}", instance: "mill-1" });
    ${body}`;
  const text = execFileSync(process.execPath, [...TYPESCRIPT, "--input-type=module", "-e", script], {
    cwd: new URL("../..", import.meta.url),
    encoding: "utf8",
    timeout: 120_000,
  });
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

test("createLogger() writes one JSON object a line, with the level and the instance", () => {
  const [line, ...rest] = output(`logger.debug({}, "unseen"); logger.warn({ port: 1 }, "listening");`);
  assert.equal(rest, []);
  assert.match(String(line?.["time"]), /^\d{4}-\d\d-\d\dT/);
  assert.equal({ ...line, time: 0 }, { level: "warn", time: 0, instance: "mill-1", port: 1, msg: "listening" });
});

test("createLogger() loses no line when the process exits at once, while its threads are busy", () => {
  const lines = output(`const { pbkdf2 } = await import("node:crypto");
    for (let i = 0; i < 8; i++) pbkdf2("a", "b", 300_000, 64, "sha512", () => {});
    for (let i = 0; i < 500; i++) logger.info({ i }, "line");
    process.exit(0);`);
  assert.equal(lines.map((line) => line["i"]), Array.from({ length: 500 }, (_, i) => i));
});

test("createLogger() writes errors with their message, and no credentials", () => {
  const [line] = output(
    `logger.error({ error: new TypeError("broken"), headers: { authorization: "Bearer sesame" } }, "failed");`,
    "error",
  );
  const { error, headers } = line as { error: { type: string; message: string }; headers: object };
  assert.is(error.type, "TypeError");
  assert.is(error.message, "broken");
  assert.equal(headers, { authorization: "[Redacted]" });
});

test("createLogger() takes what is secret out of errors, their stacks and their causes", () => {
  const [line] = output(
    `const cause = new Error("connect redis://:sesame@cache:6379?x=sesame failed");
    logger.warn({ error: new Error("Cannot use it", { cause }) }, "redis");`,
    "warn",
  );
  const text = JSON.stringify(line);
  assert.not.match(text, "sesame");
  assert.match(text, "redis://***@cache:6379 failed");
});

test.run();
