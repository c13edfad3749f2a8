/**
 * Finds the imports in a file's text.
 *
 * @example
 * ```ts
 * findImports("src/lib/a.ts", 'import { b } from "./b.ts";\n');
 * // [{ file: "src/lib/a.ts", line: 1, specifier: "./b.ts", target: "src/lib/b.ts", barrel: false }]
 * ```
 */
import { posix } from "node:path";

/** One import or re-export of a file. */
export interface Import {
  /** The importing file, from the repository's root. */
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  /** The file that a relative specifier names, else `undefined`. */
  readonly target: string | undefined;
  /** `export * from`. */
  readonly barrel: boolean;
}

/** The imports of a file, by the statements at the beginning of a line, as `deno fmt` puts them, and by `import()`. */
export function findImports(file: string, text: string): Import[] {
  const code = text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
  const statement =
    /^(?:import|export)(?:\s+type)?\s+(?:[\w$*{},\s]+?\sfrom\s+)?["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/gm;
  return [...code.matchAll(statement)].map((match) => {
    const specifier = (match[1] ?? match[2])!;
    return {
      file,
      line: code.slice(0, match.index).split("\n").length,
      specifier,
      target: specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined,
      barrel: /^export(\s+type)?\s*\*(?!\s*as\b)/.test(match[0]),
    };
  });
}
