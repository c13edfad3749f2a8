import { serve } from "@hono/node-server";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { dead as deadCommand } from "../../src/cli/dead.ts";
import { uuidv7 } from "../../src/lib/uuidv7.ts";
import type { DeadLetter } from "../../src/execution/dead_letters.ts";

const TOKEN = "first-token";

function letter(members: Partial<DeadLetter> = {}): DeadLetter {
  return {
    executionId: uuidv7(),
    workflowId: "orders",
    version: 1,
    trigger: "hook",
    requestedAt: 0,
    diedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    deliveries: 5,
    error: { code: "worker_lost", message: "5 workers ended with it" },
    ...members,
  };
}

interface Run {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

interface Server {
  readonly url: string;
  /** What was asked, `GET /path?query`, in order. */
  readonly asked: string[];
  run(...args: string[]): Promise<Run>;
}

async function run(args: string[], env: Record<string, string | undefined>): Promise<Run> {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await deadCommand.run(args, {
    env,
    print: (line) => void out.push(line),
    printError: (line) => void errors.push(line),
    fetch,
  });
  return { code, out: out.join("\n"), errors: errors.join("\n") };
}

/** Runs a test with a server that holds dead letters, two a page, and wants a token. */
async function withServer(letters: DeadLetter[], test: (server: Server) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const problem = (status: number, code: string, detail: string) => Response.json({ code, detail }, { status });
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname, search, searchParams } = new URL(request.url);
      asked.push(`${request.method} ${pathname}${search}`);
      if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return problem(401, "unauthorized", "No token");
      const [, id, action] = /^\/sub\/api\/dead-letters\/([^/]+)(\/requeue)?$/.exec(pathname) ?? [];
      if (id === undefined) {
        if (pathname !== "/sub/api/dead-letters") return new Response("<h1>Hello</h1>");
        const from = letters.findIndex(({ executionId }) => executionId === searchParams.get("cursor")) + 1;
        const deadLetters = letters.slice(from, from + 2);
        const isLast = from + 2 >= letters.length;
        return Response.json({ deadLetters, ...(!isLast && { nextCursor: deadLetters.at(-1)!.executionId }) });
      }
      const found = letters.find(({ executionId }) => executionId === id);
      if (found === undefined) {
        return problem(404, "dead_letter_not_found", `No dead letter has the execution id "${id}"`);
      }
      if (action) return Response.json({ executionId: "new", requeuedFrom: id, status: "pending" }, { status: 202 });
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      return Response.json({ ...found, input: { n: 1 } });
    },
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sub/`;
  try {
    const env = { MILLRACE_URL: url, API_TOKENS: ` cli:${TOKEN}:read|admin , second-token` };
    await test({ url, asked, run: (...args) => run(args, env) });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test("dead list prints every page as one table", () => {
  const letters = [letter(), letter({ workflowId: "w" }), letter({ error: { code: "x", message: "a\n\x1b[31mred" } })];
  return withServer(letters, async ({ run, asked }) => {
    const { code, out, errors } = await run("list");
    assert.is(code, 0, errors);
    const ids = letters.map(({ executionId }) => executionId);
    assert.equal(out.split("\n"), [
      `EXECUTION${" ".repeat(27)}  WORKFLOW  DELIVERIES  DIED AT                   ERROR`,
      `${ids[0]}  orders    5           2026-01-02T03:04:05.000Z  worker_lost: 5 workers ended with it`,
      `${ids[1]}  w         5           2026-01-02T03:04:05.000Z  worker_lost: 5 workers ended with it`,
      `${ids[2]}  orders    5           2026-01-02T03:04:05.000Z  x: a [31mred`,
    ]);
    assert.equal(asked, [
      "GET /sub/api/dead-letters?limit=500",
      `GET /sub/api/dead-letters?limit=500&cursor=${ids[1]}`,
    ]);
    assert.equal(JSON.parse((await run("list", "--json")).out), { deadLetters: letters });
  });
});

test("dead list says so when there are none", () =>
  withServer([], async ({ run }) => assert.equal(await run("list"), { code: 0, out: "No dead letters", errors: "" })));

test("dead show, requeue and drop do so, and print a line or JSON", () => {
  const dead = letter();
  const id = dead.executionId;
  return withServer([dead], async ({ run, asked }) => {
    assert.equal(JSON.parse((await run("show", id)).out), { ...dead, input: { n: 1 } });
    assert.equal(await run("requeue", id), { code: 0, out: `Requeued ${id} as new`, errors: "" });
    assert.is(JSON.parse((await run("--json", "requeue", id)).out).executionId, "new");
    assert.equal(await run("drop", id), { code: 0, out: `Dropped ${id}`, errors: "" });
    assert.equal(JSON.parse((await run("drop", "--json", id)).out), { dropped: id });
    const path = `/sub/api/dead-letters/${id}`;
    assert.equal(asked, [
      `GET ${path}`,
      `POST ${path}/requeue`,
      `POST ${path}/requeue`,
      `DELETE ${path}`,
      `DELETE ${path}`,
    ]);
  });
});

test("dead exits with 1 and a line that names what the server did not do", () =>
  withServer([], async ({ run: runHere, url }) => {
    const unknown = await runHere("show", "a/b");
    assert.equal(unknown, {
      code: 1,
      out: "",
      errors: 'millrace dead: No dead letter has the execution id "a%2Fb" (404 dead_letter_not_found)',
    });
    const base = url.slice(0, -1);
    const refused = await run(["list", "--url", url], { API_TOKENS: "wrong" });
    assert.is(refused.code, 1);
    assert.is(
      refused.errors,
      `millrace dead: ${base} refuses the token: No token; set MILLRACE_TOKEN to one of its API_TOKENS`,
    );
    const other = await runHere("list", `--url=${url}other`);
    assert.is(other.code, 1);
    assert.is(other.errors, `millrace dead: ${base}/other answers 200, and not as Millrace does`);
  }));

test("dead exits with 1 when the server cannot be reached, by default on this machine", async () => {
  for (
    const [env, base] of [
      [{ PORT: "1" }, "http://127.0.0.1:1"],
      [{ PORT: "2", MILLRACE_URL: "http://localhost:1" }, "http://localhost:1"],
    ] as const
  ) {
    const { code, errors } = await run(["list"], env);
    assert.is(code, 1);
    assert.match(errors, new RegExp(`^millrace dead: Cannot reach ${base}: .*\\bMILLRACE_URL\\b`));
    assert.not.match(errors, /\n/);
  }
  const asked: string[] = [];
  await deadCommand.run(["list"], {
    env: { PORT: "" },
    print: () => {},
    printError: () => {},
    fetch: (url) => Promise.resolve(Response.json({ deadLetters: [], asked: asked.push(url) })),
  });
  assert.equal(asked, ["http://127.0.0.1:8080/api/dead-letters?limit=500"]);
});

test("a command sends MILLRACE_TOKEN rather than the first of API_TOKENS", () =>
  withServer([], async ({ url }) => {
    const env = { MILLRACE_URL: url, MILLRACE_TOKEN: TOKEN, API_TOKENS: "another-token" };
    assert.is((await run(["list"], env)).code, 0);
  }));

test("dead exits with 2 for arguments that make no command, and with 0 for --help", async () => {
  const cases: [string[], RegExp][] = [
    [[], /Expected one of list, show, requeue, drop/],
    [["bury"], /Unknown command "bury"/],
    [["show"], /Expected an execution id after "show"/],
    [["list", "x"], /Unknown argument "x"/],
    [["drop", "a", "b"], /Unknown argument "b"/],
    [["list", "--all"], /Unknown option "--all"/],
    [["list", "--url"], /Expected a URL after --url/],
    [["list", "--url="], /Expected a URL after --url/],
    [["list", "--json=yes"], /--json/],
    [["list", "--url", "localhost"], /received "localhost"/],
    [["list", "--url", "ftp://localhost"], /received "ftp:/],
    [["list", "--url", "http://user:secret@localhost"], /without credentials/],
  ];
  for (const [args, message] of cases) {
    const { code, out, errors } = await run(args, {});
    assert.is(code, 2, args.join(" "));
    assert.is(out, "");
    assert.match(errors, message);
    assert.match(errors, /^millrace dead: [^\n]*; see millrace dead --help$/);
  }
  for (const args of [["--help"], ["list", "-h"]]) {
    const { code, out } = await run(args, {});
    assert.is(code, 0);
    assert.match(out, /^Usage: millrace dead list/);
  }
});

test.run();
