import { test } from "uvu";
import * as assert from "uvu/assert";
import { ConfigError, loadConfig, processCount } from "../../src/config/config.ts";
import { helpText } from "../../src/config/help_text.ts";
import { SETTINGS } from "../../src/config/settings.ts";

const REDIS_URL = "redis://127.0.0.1:6379";

function load(env: Record<string, string | undefined>) {
  return loadConfig(env, { instance: "mill-1" });
}

function refusal(env: Record<string, string | undefined>): string {
  try {
    load(env);
  } catch (error) {
    assert.instance(error, ConfigError);
    return (error as Error).message;
  }
  throw new Error(`nothing is wrong with ${JSON.stringify(env)}`);
}

test("loadConfig() gives every default when nothing is set, or set to nothing", () => {
  const config = load({});
  assert.equal(config, load(Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, " "]))));
  assert.is(config.port, 8080);
  assert.is(config.host, "127.0.0.1");
  assert.equal([...config.roles], ["http", "worker", "assembler", "scheduler"]);
  assert.is(config.redis, undefined);
  assert.is(config.workflowsDir, undefined);
  assert.is(config.redisPrefix, "mr:");
  assert.is(config.bodyLimitBytes, 4 * 1024 * 1024);
  assert.is(config.instance, "mill-1");
});

test("loadConfig() freezes what it returns", () => {
  const config = load({ REDIS_URL, API_TOKENS: "long-enough" });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.redis) && Object.isFrozen(config.apiTokens));
});

test("loadConfig() reads what is set", () => {
  const config = load({
    PORT: "0",
    HOST: "0.0.0.0",
    ROLES: " http , worker ",
    REDIS_URL: "rediss://user:s%40cret@redis.example:6380/2",
    API_TOKENS: "token-number-1, dG9rZW4tMg==",
    HTTP_ALLOW: "10.0.0.0/8,fd00::/8,::1,[::1]:65535,10.0.0.1:80,files.example:8443",
    CORS_ORIGINS: "https://a.example,*",
    LOG_LEVEL: "silent",
    INSTANCE_ID: "other",
    WORKFLOWS_DIR: "/srv/workflows",
  });
  assert.is(config.port, 0);
  assert.equal([...config.roles], ["http", "worker"]);
  assert.is(config.redis?.url, "rediss://user:s%40cret@redis.example:6380/2");
  assert.is(config.redis?.safeUrl, "rediss://redis.example:6380/2");
  assert.equal(config.apiTokens.map(({ token }) => token), ["token-number-1", "dG9rZW4tMg=="]);
  assert.equal(config.httpAllow, [
    ...["10.0.0.0/8", "fd00::/8", "::1", "[::1]:65535", "10.0.0.1:80", "files.example:8443"],
  ]);
  assert.equal(config.corsOrigins, ["https://a.example", "*"]);
  assert.is(config.logLevel, "silent");
  assert.is(config.instance, "other");
  assert.is(config.workflowsDir, "/srv/workflows");
});

test("loadConfig() makes the URL from REDIS_HOST when REDIS_URL is unset", () => {
  const env = { REDIS_HOST: "redis", REDIS_PORT: "6380", REDIS_DB: "3", REDIS_PASSWORD: "a%:@/ b" };
  const redis = load(env).redis;
  assert.is(redis?.safeUrl, "redis://redis:6380/3");
  assert.is(decodeURIComponent(new URL(redis?.url ?? "").password), "a%:@/ b");
  assert.is(load({ ...env, REDIS_URL }).redis?.url, REDIS_URL);
  assert.is(load({ REDIS_HOST: "::1" }).redis?.url, "redis://[::1]:6379/0");
});

test("processCount() is what is set, or one a processor where several can be", () => {
  assert.is(processCount(load({}), 4), 1);
  assert.is(processCount(load({ PROCESSES: "3", REDIS_URL }), 4), 3);
  assert.is(processCount(load({ PROCESSES: "auto", REDIS_URL }), 4), 4);
  assert.is(processCount(load({ PROCESSES: "auto" }), 4), 1);
  assert.is(processCount(load({ PROCESSES: "auto", REDIS_FALLBACK: "memory", REDIS_URL }), 4), 1);
});

test("loadConfig() names one of several processes by its number too", () => {
  assert.is(loadConfig({}, { instance: "mill", process: 2 }).instance, "mill-2");
  assert.is(
    loadConfig({ INSTANCE_ID: "a".repeat(128) }, { instance: "", process: 12 }).instance,
    `${"a".repeat(128)}-12`,
  );
});

test("loadConfig() keeps to memory when REDIS_ENABLED is false", () => {
  assert.is(load({ REDIS_URL, REDIS_ENABLED: "false" }).redis, undefined);
});

const REFUSALS: [Record<string, string>, string][] = [
  [{ PORT: "abc" }, 'PORT must be a whole number from 0 to 65535, not "abc"'],
  [{ PORT: "65536" }, 'PORT must be a whole number from 0 to 65535, not "65536"'],
  [{ PORT: "80.5" }, 'PORT must be a whole number from 0 to 65535, not "80.5"'],
  [{ PORT: "1e3" }, 'PORT must be a whole number from 0 to 65535, not "1e3"'],
  [
    { BODY_LIMIT_BYTES: "2000000", IMPORT_LIMIT_BYTES: "1000", BODIES_LIMIT_BYTES: "1048576" },
    'BODY_LIMIT_BYTES is larger than BODIES_LIMIT_BYTES, "1048576": no body of that size would ever be taken',
  ],
  [{ LEASE_SECONDS: "0" }, 'LEASE_SECONDS must be a whole number from 1 to 3600, not "0"'],
  [{ LOG_LEVEL: "lou\nd" }, 'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "lou\\nd"'],
  [{ ROLES: "http,cook", REDIS_URL }, 'ROLES must be one of http, worker, assembler, scheduler, not "cook"'],
  [{ ROLES: ",", REDIS_URL }, 'ROLES must be one or more of http, worker, assembler, scheduler, not ","'],
  [{ REDIS_ENABLED: "no" }, 'REDIS_ENABLED must be one of true, false, not "no"'],
  [{ REDIS_HOST: "redis:6379" }, 'REDIS_HOST must be a host name or an address, without port, not "redis:6379"'],
  [{ REDIS_HOST: ":::::" }, 'REDIS_HOST must be a host name or an address, without port, not ":::::"'],
  [{ REDIS_PREFIX: "a{b}:" }, 'REDIS_PREFIX must be without spaces and braces, not "a{b}:"'],
  [{ REDIS_FALLBACK: "disk" }, 'REDIS_FALLBACK must be one of reject, memory, not "disk"'],
  [
    { CORS_ORIGINS: "https://a.example/" },
    'CORS_ORIGINS must be origins such as "https://example.com", or *, not "https://a.example/"',
  ],
  [
    { HTTP_ALLOW: "http://a.example" },
    'HTTP_ALLOW must be host names, IP addresses, CIDRs or host:port, not "http://a.example"',
  ],
  ...["10.0.0.0/99", "10.0.0.0/8:80", "a/8", "[::1", "[a.example]", ":::", "h:999999", "h:70000", "h:0", "h:"].map((
    rule,
  ): [Record<string, string>, string] => [
    { HTTP_ALLOW: `a.example,${rule}` },
    `HTTP_ALLOW must be host names, IP addresses, CIDRs or host:port, not "${rule}"`,
  ]),
  [{ PROCESSES: "two", REDIS_URL }, 'PROCESSES must be a whole number from 1 to 256, or auto, not "two"'],
  [{ PROCESSES: "0", REDIS_URL }, 'PROCESSES must be a whole number from 1 to 256, or auto, not "0"'],
  [
    { PROCESSES: "2" },
    'PROCESSES is "2" but there is no Redis: another process cannot share this one\'s memory, so set REDIS_URL, or ' +
    "PROCESSES=1",
  ],
  [
    { PROCESSES: "2", REDIS_FALLBACK: "memory", REDIS_URL },
    'PROCESSES is "2" but REDIS_FALLBACK is "memory": what one process keeps, another on the port cannot tell, so ' +
    "set PROCESSES=1, or REDIS_FALLBACK=reject",
  ],
  [{ INSTANCE_ID: "a}b" }, 'INSTANCE_ID must be at most 128 letters, digits, and _ . : -, not "a}b"'],
];

for (const [env, message] of REFUSALS) {
  test(`loadConfig() refuses ${JSON.stringify(env)}`, () => assert.is(refusal(env), message));
}

test("loadConfig() tells every fault at once, a line each, and none that follows from another", () => {
  const message = refusal({ PORT: "x", ROLES: "http", REDIS_URL: "http://h", HOST: "0.0.0.0", LEASE_SECONDS: "0" });
  assert.equal(message.split("\n"), [
    'PORT must be a whole number from 0 to 65535, not "x"',
    'REDIS_URL must begin with redis:// or rediss://, not "http://"',
    'LEASE_SECONDS must be a whole number from 1 to 3600, not "0"',
    'HOST is "0.0.0.0" but API_TOKENS is empty: set API_TOKENS to one or more secrets, or HOST=127.0.0.1',
  ]);
});

test("loadConfig() does not quote what may be a secret when it refuses it", () => {
  for (const name of ["REDIS_URL", "API_TOKENS"]) {
    for (
      const text of ["http://:sesame@h", "redis://:sesame@", "redis://:sesame@h/x", "redis://:sesame@h h", "sesame"]
    ) {
      const message = refusal({ [name]: text });
      assert.ok(message.startsWith(`${name} `), message);
      assert.not.match(message, "sesame");
    }
  }
});

test("loadConfig() names the protocol that REDIS_URL should have", () => {
  assert.is(refusal({ REDIS_URL: "http://h" }), 'REDIS_URL must begin with redis:// or rediss://, not "http://"');
});

test("loadConfig() refuses to be reached from outside without tokens, when it serves HTTP", () => {
  for (const HOST of ["0.0.0.0", "::", "10.1.2.3", "mill.example", "127.0.0.1.example"]) {
    const message = refusal({ HOST, REDIS_URL });
    assert.is(
      message,
      `HOST is "${HOST}" but API_TOKENS is empty: set API_TOKENS to one or more secrets, or HOST=127.0.0.1`,
    );
    load({ HOST, REDIS_URL, API_TOKENS: "long-enough" });
    load({ HOST, REDIS_URL, ROLES: "worker" });
  }
  for (const HOST of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) load({ HOST });
  assert.is(load({ HOST: "[::1]" }).host, "::1");
});

test("loadConfig() refuses some of the roles without Redis: no other process could have the rest", () => {
  assert.match(
    refusal({ ROLES: "http" }),
    /^ROLES is "http" but there is no Redis: .* set REDIS_URL, or ROLES=http,worker,assembler,scheduler$/,
  );
  assert.match(refusal({ ROLES: "worker", REDIS_URL, REDIS_ENABLED: "false" }), /^ROLES is "worker"/);
  assert.equal([...load({ ROLES: "http", REDIS_URL }).roles], ["http"]);
});

test("helpText() names every setting with its default", () => {
  const lines = helpText().split("\n");
  for (const [name, { default: byDefault, help }] of Object.entries(SETTINGS)) {
    const line = lines.find((line) => line.startsWith(`  ${name} `)) ?? "";
    assert.ok(line.includes(help) && line.endsWith(byDefault ? `[${byDefault}]` : help), `${name}: ${line}`);
    assert.ok(line.length <= 120, `${name}: ${line.length} columns`);
  }
});

test.run();
