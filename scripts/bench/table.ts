/**
 * Figures as Markdown, for the terminal and the README alike.
 */
import { type ContenderName, TITLES } from "./contenders.ts";
import type { Figures } from "./rounds.ts";

/** The comparison: a row a contender and a number of callers, and below it what an answer costs. */
export function comparisonTable(figures: readonly Figures[]): string {
  const rows = figures.map((it) => [
    TITLES[it.name],
    String(it.callers),
    Math.round(it.rate).toLocaleString("en"),
    ...[it.p50, it.p90, it.p99, it.p999].map(milliseconds),
    String(it.lost),
  ]);
  return markdown(["", "callers", "requests/s", "p50", "p90", "p99", "p99.9", "lost"], rows);
}

/** What an answer costs, at the number of callers nearest to 64. */
export function costTable(figures: readonly Figures[]): string {
  const nearest = nearestTo(figures.map(({ callers }) => callers), 64);
  const rows = figures.filter(({ callers }) => callers === nearest).map((it) => [
    TITLES[it.name],
    ...["http", "worker", "redis"].map((role) => it.cpu[role] === undefined ? "" : `${Math.round(it.cpu[role])} µs`),
    it.commands.toFixed(1),
    Math.round(it.bytes).toLocaleString("en"),
  ]);
  const head = ["CPU an answer", "http", "worker", "Redis", "Redis commands", "bytes to and from Redis"];
  return `${markdown(head, rows)}\n\nAt ${nearest} callers.`;
}

/** How the contenders stand to the bare streams, in a sentence each. */
export function ratios(figures: readonly Figures[]): string[] {
  const of = (name: ContenderName, callers: number) => figures.find((it) => it.name === name && it.callers === callers);
  const one = nearestTo(figures.map(({ callers }) => callers), 1);
  const many = nearestTo(figures.map(({ callers }) => callers), 64);
  const lines: string[] = [];
  for (const name of new Set(figures.map((it) => it.name))) {
    const [echoOne, echoMany, itOne, itMany] = [of("echo", one), of("echo", many), of(name, one), of(name, many)];
    if (name === "echo" || !echoOne || !echoMany || !itOne || !itMany) continue;
    const rate = (itMany.rate / echoMany.rate).toFixed(2);
    const p50 = (itOne.p50 / echoOne.p50).toFixed(2);
    lines.push(
      `${TITLES[name]}: ${rate} of the bare streams' requests/s at ${many} callers, ${p50} times their p50 at ${one}`,
    );
  }
  return lines;
}

/** A table in Markdown; all but the first column are numbers. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => i === 0 ? "---" : "---:")), ...rows.map(line)].join("\n");
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

function nearestTo(values: readonly number[], wanted: number): number {
  const far = (value: number) => Math.abs(Math.log(value / wanted));
  return values.reduce((best, value) => far(value) < far(best) ? value : best, values[0] ?? wanted);
}
