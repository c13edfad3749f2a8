/**
 * Holds the section "Find it" of ARCHITECTURE.md to the code: each answer names files and what stands in them.
 */
import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";

/** The rows of the section: a question, and its answers as `path:symbol`. */
async function rows(): Promise<{ question: string; answers: { path: string; symbol: string }[] }[]> {
  const text = await readFile("ARCHITECTURE.md", "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith("Find it\n")) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| --- "));
  return lines.slice(1).map((line) => {
    const [, question = "", answer = ""] = line.split("|").map((cell) => cell.trim());
    // Every answer is in backticks; one that is not `path:symbol` has no symbol, and is refused below.
    const answers = [...answer.matchAll(/`([^`]*)`/g)].map(([, text = ""]) => {
      const [path = "", symbol = ""] = text.split(":");
      return { path, symbol };
    });
    return { question, answers };
  });
}

test("ARCHITECTURE.md answers ten questions or more about where things are", async () => {
  const found = await rows();
  assert.ok(found.length >= 10, `${found.length} questions`);
  for (const { question, answers } of found) assert.ok(answers.length > 0, `${question}: no file:symbol`);
});

test("every symbol that ARCHITECTURE.md names is declared where it says", async () => {
  for (const { question, answers } of await rows()) {
    for (const { path, symbol } of answers) {
      assert.match(`${path}:${symbol}`, /^[\w./]+\.ts:\w+(\.#?\w+)?$/, question);
      const text = await readFile(`src/${path}`, "utf8");
      // `Class.method`: the class in the file, and the method in it.
      const [owner = "", member] = symbol.split(".");
      const declared = new RegExp(
        `^(export )?(abstract )?(async )?(class|function\\*?|const|interface|type) ${owner}\\b`,
        "m",
      );
      assert.match(text, declared, `${question}: src/${path} declares no ${owner}`);
      if (member === undefined) continue;
      const method = new RegExp(`^ {2}(static )?(async )?(get )?\\*?${member}(<[^>]*>)?\\(`, "m");
      assert.match(text, method, `${question}: ${owner} in src/${path} has no ${member}()`);
    }
  }
});

test.run();
