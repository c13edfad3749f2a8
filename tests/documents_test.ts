import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SETTINGS } from "../src/config/settings.ts";

function textOf(file: string): string {
  return readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
}

test("the table in README.md has every setting as it is", () => {
  const squeezed = textOf("README.md").replace(/ +/g, " ");
  const rows = squeezed.match(/^\| `[A-Z_]+` \|.*$/gm) ?? [];
  const expected = Object.entries(SETTINGS).map(([name, { default: byDefault, help }]) =>
    `| \`${name}\` | ${byDefault ? `\`${byDefault}\` ` : ""}| ${help.replaceAll("*", "\\*")} |`
  );
  assert.equal(rows, expected);
});

test(".env.example has every setting, commented, with its default", () => {
  const lines = textOf(".env.example").split("\n");
  assert.equal(
    lines.filter((line) => /^#?[A-Z_]+=/.test(line)),
    Object.entries(SETTINGS).map(([name, setting]) => `#${name}=${setting.default}`),
  );
});

test("ARCHITECTURE.md gives a reason for every dependency, and for no other", () => {
  const { dependencies, devDependencies } = JSON.parse(textOf("package.json"));
  const rows = textOf("ARCHITECTURE.md").match(/^\| `[^`]+` +\| .{10}/gm) ?? [];
  const named = rows.map((row) => row.split("`")[1] ?? "");
  assert.equal(named.sort(), [...Object.keys(dependencies), ...Object.keys(devDependencies)].sort());
});

test("ARCHITECTURE.md lays out every file and folder of src, and no other", () => {
  const tree = textOf("ARCHITECTURE.md").match(/^src\/\n([\s\S]*?)^```/m)?.[1] ?? "";
  const named = [...tree.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name);
  const there = readdirSync(new URL("../src/", import.meta.url), { withFileTypes: true })
    .map((entry) => entry.isDirectory() ? `${entry.name}/` : entry.name);
  assert.equal(named.sort(), there.sort());
});

for (const file of ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]) {
  test(`the links of ${file} lead somewhere`, () => {
    for (const [, path = ""] of textOf(file).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(new URL(`../${path}`, import.meta.url)), path);
    }
  });
}

test("package.json exports files that are built", () => {
  const { exports } = JSON.parse(textOf("package.json")) as { exports: Record<string, string | { default: string }> };
  for (const target of Object.values(exports)) {
    const path = typeof target === "string" ? target : target.default;
    const source = path.replace("./dist/", "../src/").replace(/\.js$/, ".ts");
    assert.ok(existsSync(new URL(source.replace(/^\.\//, "../"), import.meta.url)), path);
  }
});

test.run();
