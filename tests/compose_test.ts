/**
 * compose.yaml as text: what no service may lose. Whether it runs is for a Docker daemon to say.
 */
import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";

const text = await readFile(new URL("../compose.yaml", import.meta.url), "utf8");

/** The lines of a block that begins with `name:`; of `services` a service, of a service one of its members. */
function block(name: string, within = text): string {
  const lines = within.split("\n");
  const margin = within === text ? "" : /^( *)/.exec(within)![1] + "  ";
  const at = lines.findIndex((line) => line.startsWith(`${margin}${name}:`));
  const depth = (line: string) => line.length - line.trimStart().length;
  const end = lines.findIndex((line, index) => index > at && line.trim() !== "" && depth(line) <= depth(lines[at]!));
  return lines.slice(at, end === -1 ? undefined : end).join("\n");
}

const services = ["balancer", "http", "worker", "redis", "postgres"];

test("every service of compose.yaml is confined, and its memory is bounded", () => {
  for (const line of ["read_only: true", "cap_drop:\n    - ALL", "no-new-privileges:true", "pids_limit:"]) {
    assert.match(block("x-confined"), line);
  }
  assert.match(block("x-instance"), "<<: *confined");
  for (const name of services) {
    const service = block(name, block("services"));
    assert.match(service, /<<: \*(confined|instance)\n/, name);
    assert.match(service, /mem_limit: \d+[mg]\n/, name);
    assert.not.match(service, /privileged|cap_add|network_mode|docker\.sock/, name);
  }
  assert.is(block("services").match(/^ {2}\w+:$/gm)?.length, services.length);
});

test("compose.yaml has no secret of its own, and asks for each", () => {
  for (const name of ["API_TOKENS", "REDIS_PASSWORD"]) {
    const uses = text.match(new RegExp(`\\$\\{${name}[^}]*\\}`, "g")) ?? [];
    assert.ok(uses.length > 0, name);
    for (const use of uses) assert.ok(use.startsWith(`\${${name}:?set ${name} to `), use);
  }
  assert.not.match(text, /redis:\/\/[^\s]*:[^\s]*@/);
});

test("the Redis of compose.yaml keeps what it is given, within bounds, for whoever knows the password", () => {
  const redis = block("redis", block("services"));
  const command = block("command", redis).split("\n").slice(1).map((line) => line.replace(/^ +- |"/g, ""));
  const after = (option: string) => command[command.indexOf(option) + 1];
  assert.match(after("--requirepass")!, /^\$\{REDIS_PASSWORD:\?/);
  assert.is(after("--appendonly"), "yes");
  assert.is(after("--maxmemory-policy"), "noeviction");
  // A rewrite of the file may take as much again.
  const megabytes = (text: string) => Number(/^(\d+)/.exec(text)![1]) * (text.includes("g") ? 1024 : 1);
  const limit = /mem_limit: (\S+)/.exec(redis)![1]!;
  assert.ok(2 * megabytes(after("--maxmemory")!) <= megabytes(limit), limit);
  assert.not.match(redis, "ports:");
});

test("the load balancer names callers, and waits for longer than a webhook may", async () => {
  const config = await readFile(new URL("../scripts/compose/haproxy.cfg", import.meta.url), "utf8");
  assert.match(config, /^ {2}option forwardfor$/m);
  for (const side of ["client", "server"]) {
    const minutes = Number(new RegExp(`^ {2}timeout ${side} (\\d+)m$`, "m").exec(config)?.[1]);
    assert.ok(minutes * 60 > 3600, side);
  }
});

test("the load balancer leaves it to the instances to say what they cannot do, while none of them is ready", async () => {
  const config = await readFile(new URL("../scripts/compose/haproxy.cfg", import.meta.url), "utf8");
  const [, unready = ""] = config.split("\nbackend unready\n");
  assert.match(config, /^ {2}use_backend unready if \{ nbsrv\(millrace\) eq 0 \}$/m);
  assert.match(unready, /^ {2}server-template http 16 http:8080 /m);
  assert.not.match(unready, "check");
  const [, body = ""] =
    /^ {2}http-error status 503 content-type application\/problem\+json string '(.*)' hdr /m.exec(config) ?? [];
  assert.is(JSON.parse(body).code, "unavailable");
});

test("the PostgreSQL of compose.yaml comes with its profile only, and its password is not written here", () => {
  const postgres = block("postgres", block("services"));
  assert.match(postgres, "profiles:\n      - history");
  assert.match(postgres, "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-}");
  assert.match(block("x-environment"), "DATABASE_URL: ${DATABASE_URL:-}");
  assert.not.match(postgres, "ports:");
});

test("only the load balancer is published, on this machine", () => {
  assert.equal(text.match(/^ +- "[^"]*:\d+:\d+"$/gm), ['      - "127.0.0.1:8080:8080"']);
});

test.run();
