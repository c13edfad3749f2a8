/**
 * Growth curves: figures as a function of one growing quantity.
 */
import type { Panel } from "./chart.ts";
import type { Curve, Ground, Point } from "./curve.ts";
import { instances, nodes, partitions, payload, stored } from "./load_curves.ts";
import { memory } from "./memory_curve.ts";
import { markdown } from "./table.ts";
import { callers, followers } from "./waiting_curves.ts";

/** All curves, by name. */
export const CURVES: ReadonlyMap<string, Curve> = new Map(
  [nodes, payload, memory, callers, followers, stored, instances, partitions].map((curve) => [curve.name, curve]),
);

/** A curve with its points. */
export interface Measured {
  readonly curve: Curve;
  readonly points: readonly Point[];
}

/** Measures a curve, a note for each point. */
export async function measureCurve(curve: Curve, ground: Ground): Promise<Measured> {
  const points: Point[] = [];
  for await (const point of curve.measure(ground)) {
    ground.note(`${curve.name}: ${point.x} ${curve.x}${point.line === undefined ? "" : ` (${point.line})`}`);
    points.push(point);
  }
  return { curve, points };
}

/** The curve as a table: a row a point. */
export function curveTable({ curve, points }: Measured): string {
  const names = [...new Set(points.flatMap(({ figures }) => Object.keys(figures)))];
  const rows = points.map(({ line, x, figures, lost }) => [
    line ?? "",
    x.toLocaleString("en"),
    ...names.map((name) => number(figures[name])),
    String(lost),
  ]);
  return markdown(["", curve.x, ...names, "lost"], rows);
}

/** The curve as a panel of a chart. */
export function curvePanel({ curve, points }: Measured): Panel {
  const lines = [...new Set(points.map(({ line }) => line ?? curve.name))];
  return {
    title: `${curve.title} (${curve.charted})`,
    x: curve.x,
    unit: "",
    series: lines.map((title) => ({
      title,
      points: points.filter((point) => (point.line ?? curve.name) === title)
        .map(({ x, figures }) => [x, figures[curve.charted] ?? NaN] as const),
    })),
  };
}

function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "";
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}
