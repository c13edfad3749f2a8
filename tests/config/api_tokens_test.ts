import { test } from "uvu";
import * as assert from "uvu/assert";
import { apiTokens } from "../../src/config/api_tokens.ts";

const parsed = (text: string) =>
  apiTokens.parse(text).map(({ name, token, scopes }) => [name, token, [...scopes].join()]);

test("apiTokens reads bare tokens as admin, and names with scopes", () => {
  assert.equal(parsed(""), []);
  assert.equal(parsed("bare-token, ci.1:dG9rZW4tMg==:run|read,board:a/b+c~d.:write"), [
    [undefined, "bare-token", "admin"],
    ["ci.1", "dG9rZW4tMg==", "run,read"],
    ["board", "a/b+c~d.", "write"],
  ]);
});

test("apiTokens refuses what is no token, and never quotes it", () => {
  const cases: [string, RegExp][] = [
    ["short", /^has a token of 5 characters: each needs at least 8$/],
    ["ci:short:read", /^has a token of 5 characters/],
    ["ci:sesame-token", /^has an entry that is neither token nor name:token:scopes$/],
    ["ci:sesame-token:read:run", /^has an entry/],
    [":sesame-token:read", /^has a name/],
    ["c i:sesame-token:read", /^has a name/],
    ["ci:sesame token:read", /^has a token with a character other than/],
    ["unnamed:sesame-token:read", /^has a name that stands for none: anonymous, unnamed$/],
    ["ci:sesame-token:", /^has scopes that are not some of read, run, write, admin/],
    ["ci:sesame-token:read|", /^has scopes/],
    ["ci:read:sesame-token", /^has a token of 4/],
    ["ci:sesame-token:reed", /^has scopes/],
    ["ci:sesame-token:constructor", /^has scopes/],
    ["sesame-token,ci:sesame-token:read", /^has one token twice$/],
    ["ci:sesame-token:read,ci:sesame-other:read", /^has two tokens of one name$/],
  ];
  for (const [text, expected] of cases) {
    const { message } = apiTokens.safeParse(text).error!.issues[0]!;
    assert.match(message, expected, text);
    assert.not.match(message, "sesame");
  }
});

test.run();
