/**
 * What the text of a file must keep to, whatever it imports: its length, which languages and words it may hold, and that
 * every option is documented.
 *
 * @example
 * ```ts
 * checkTexts(new Map([["src/lib/a.ts", "redis.call('GET', KEYS[1])\n"]]));
 * // ["src/lib/a.ts:1: Lua stands in src/storage/redis/scripts/ alone"]
 * ```
 */
import { findImports } from "./imports.ts";

/** The most lines of a file in src/ or scripts/, and of a port. */
const MAX_LINES = 250;
const MAX_PORT_LINES = 100;

/** The ports are what this file makes a driver of. */
const PORTS_OF = "src/storage/store.ts";

/** Something that stands in some folders alone. */
interface Belonging {
  readonly what: RegExp;
  readonly message: string;
  /** True for a file in which it may stand. */
  readonly isAtHome: (file: string) => boolean;
}

const BELONGINGS: readonly Belonging[] = [
  {
    what: /\bredis\.p?call\(|\b(KEYS|ARGV)\[/,
    message: "Lua stands in src/storage/redis/scripts/ alone",
    isAtHome: (file) => !file.startsWith("src/") || file.startsWith("src/storage/redis/scripts/"),
  },
  {
    // As a value, a comparison, or beside a code in a comment: `status: 404`, `status === 204`, `queue_full` (503).
    what: /\bstatus(Code)?["']?\s*(:|[!=]=+|[<>]=?)\s*[1-5]\d\d\b|`\w+` \([1-5]\d\d\b/,
    message: "HTTP statuses stand in src/http/ alone",
    // `nodes/`, `cli/` and `caches/` read the statuses of other servers.
    isAtHome: (file) => !file.startsWith("src/") || /^src\/(http|nodes|cli|caches)\//.test(file),
  },
];

/** Every broken rule in `files` (texts by path from the repository's root), one line each. */
export function checkTexts(files: ReadonlyMap<string, string>): string[] {
  const entries = [...files];
  return [
    ...checkLengths(files),
    ...entries.flatMap(([file, text]) => checkBelongings(file, text)),
    ...entries.flatMap(([file, text]) => file.startsWith("src/") ? checkOptions(file, text) : []),
  ];
}

function checkLengths(files: ReadonlyMap<string, string>): string[] {
  const ports = new Set(findImports(PORTS_OF, files.get(PORTS_OF) ?? "").map(({ target }) => target));
  return [...files].flatMap(([file, text]) => {
    const lines = text.split("\n").length - 1;
    if (ports.has(file) && lines > MAX_PORT_LINES) return [`${file} has ${lines} lines: a port has ${MAX_PORT_LINES}`];
    return lines > MAX_LINES ? [`${file} has ${lines} lines: past ${MAX_LINES}, look for the second idea in it`] : [];
  });
}

function checkBelongings(file: string, text: string): string[] {
  const foreign = BELONGINGS.filter(({ isAtHome }) => !isAtHome(file));
  return text.split("\n").flatMap((line, index) =>
    foreign.filter(({ what }) => what.test(line)).map(({ message }) => `${file}:${index + 1}: ${message}`)
  );
}

/** The beginning of an exported type of options, as `deno fmt` writes it. */
const OPTIONS = /^export (?:interface|type) (\w*(?:Options|Settings|Config|Deps|Parts|Limits))\b[^;]*\{$/;
/** One of its own members, not one of an object inside. */
const MEMBER = /^ {2}(?:readonly )?"?(\w+)"?\??[:(<]/;

/** Every member of an exported type of options has a comment: its meaning, unit and default. */
function checkOptions(file: string, text: string): string[] {
  const lines = text.split("\n");
  let options: string | undefined;
  return lines.flatMap((line, index) => {
    options = line.startsWith("}") ? undefined : OPTIONS.exec(line)?.[1] ?? options;
    const member = options && MEMBER.exec(line)?.[1];
    if (!member || lines[index - 1]!.trimEnd().endsWith("*/")) return [];
    return [`${file}:${index + 1}: ${options}.${member} has no comment that says its meaning, unit and default`];
  });
}

/** The folders of tests/ that test no folder of src/. */
const OTHER_TESTS: ReadonlySet<string> = new Set(["bench", "chaos", "end_to_end", "scripts", "support"]);

/** One line for each folder of tests/ that mirrors none of src/. Folders are named from tests/ and src/. */
export function checkTestFolders(tests: Iterable<string>, sources: ReadonlySet<string>): string[] {
  return [...tests].filter((folder) => !sources.has(folder) && !OTHER_TESTS.has(folder))
    .map((folder) => `tests/${folder}: tests mirror src/, which has no such folder`);
}
