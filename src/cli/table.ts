/**
 * Tables for terminals.
 */

/** Longer cells are cut. */
const MAX_WIDTH = 100;

/** Control characters, with which a text from elsewhere could steer the terminal. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]+/g;

/** Rows as lines of text whose columns stand below one another; the first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(toCell));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length));
  }
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n");
}

function toCell(text: string): string {
  const clean = text.replace(CONTROL, " ").trim();
  return clean.length > MAX_WIDTH ? `${clean.slice(0, MAX_WIDTH - 1)}…` : clean;
}
