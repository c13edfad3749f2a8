/**
 * Tables for terminals.
 */

/** Longest cell, in characters; longer ones are cut. */
const MAX_WIDTH = 100;

/** Control characters, with which foreign text could control the terminal. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]+/g;

/** Formats rows as lines with aligned columns; the first row is the head. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(toCell));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length));
  }
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()).join("\n");
}

/** The text without what could steer the terminal. */
export function cleanText(text: string): string {
  return text.replace(CONTROL, " ").trimEnd();
}

function toCell(text: string): string {
  const clean = cleanText(text).trim();
  return clean.length > MAX_WIDTH ? `${clean.slice(0, MAX_WIDTH - 1)}…` : clean;
}
