// not quick: starts the program
/**
 * What a command prints to a pipe whose reader is slow.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnMain } from "../end_to_end/instance.ts";

const LINE = `${"x".repeat(99)}\n`;
/** More than the pipe takes. */
const LINES = 10_000;

test("all of it comes through, however late it is read", async () => {
  const server = createServer((request, response) => {
    if (request.url!.endsWith("/export")) response.end(LINE.repeat(LINES));
    else response.setHeader("content-type", "application/json").end(JSON.stringify({ long: LINE.repeat(LINES) }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const env = { MILLRACE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const printed = async (...args: string[]) => {
    const child = spawnMain(args, env);
    const ended = once(child, "close");
    // A command that does not wait for its reader has ended then, but on a machine that is slow.
    await Promise.race([once(child, "exit"), new Promise((resolve) => setTimeout(resolve, 2000))]);
    const out = await text(child.stdout!);
    const [code] = await ended;
    assert.is(code, 0);
    return out;
  };
  try {
    const id = "01a1feaf-6496-7054-8242-6a4ee6db50a3";
    const [exported, shown] = await Promise.all([
      printed("export", id, "--output", "-"),
      printed("show", id, "--json"),
    ]);
    assert.is(exported.length, LINE.length * LINES);
    assert.is(JSON.parse(shown).long.length, LINE.length * LINES);
  } finally {
    server.close();
  }
});

test.run();
