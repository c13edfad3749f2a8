import { test } from "uvu";
import * as assert from "uvu/assert";
import { commandLines, COMMANDS, findCommand } from "../../src/cli/commands.ts";
import { runCommandLine } from "./command_line.ts";

test("every command answers --help with its usage and the common options, and calls nobody", async () => {
  for (const { name, run } of COMMANDS) {
    const out: string[] = [];
    const code = await run(["--help"], {
      env: {},
      print: (line) => void out.push(line),
      printError: (line) => assert.unreachable(line),
      fetch: () => assert.unreachable(name) as never,
    });
    assert.is(code, 0, name);
    assert.match(out.join("\n"), new RegExp(`^Usage: millrace ${name}\\b`));
    assert.match(out.join("\n"), /^Options:\n([^\n]+\n)* {2}--json /m, name);
    assert.match(out.join("\n"), /--url <url>/);
  }
});

test("every command answers an option that it does not have with one line and 2", async () => {
  for (const { name, run } of COMMANDS) {
    const errors: string[] = [];
    const code = await run(["--no-such-option"], {
      env: {},
      print: (line) => assert.unreachable(line),
      printError: (line) => void errors.push(line),
      fetch: () => assert.unreachable(name) as never,
    });
    assert.is(code, 2, name);
    assert.is(errors.length, 1, name);
    assert.match(errors[0]!, new RegExp(`^millrace ${name}: [^\\n]+; see millrace ${name} --help$`));
  }
});

test("rebuild shows how far it is, and says in a line that it broke off, wherever its answer does", async () => {
  const run = (lines: string[], end: (controller: ReadableStreamDefaultController) => void) => {
    const left = lines.map((line) => new TextEncoder().encode(line));
    const pull = (controller: ReadableStreamDefaultController) => {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(next);
      else end(controller);
    };
    return runCommandLine(["rebuild"], { app: { request: () => new Response(new ReadableStream({ pull })) } });
  };
  const progress = '{"done":1,"total":2}\n';
  const done = await run([progress, '{"success":true,"done":2,"total":2}\n'], (stream) => stream.close());
  assert.equal(done, { code: 0, out: "Rebuilt from 2 executions", err: "" });
  for (const lines of [[], [progress], [progress, '{"success":true,"do']]) {
    const closed = await run(lines, (stream) => stream.close());
    const reset = await run(lines, (stream) => stream.error(new TypeError("terminated")));
    for (const { code, out, err } of [closed, reset]) {
      assert.equal([code, out], [2, ""]);
      assert.match(err, /^millrace rebuild: The rebuild broke off: .*it can be begun again$/);
    }
  }
});

test("the names of commands are unique, and each has a line", () => {
  assert.is(new Set(COMMANDS.map(({ name }) => name)).size, COMMANDS.length);
  assert.is(commandLines().length, COMMANDS.length);
  assert.is(findCommand("dead")?.name, "dead");
  assert.is(findCommand("--help"), undefined);
  assert.is(findCommand(undefined), undefined);
});

test.run();
