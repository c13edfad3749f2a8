/**
 * Line charts as SVG, readable on light and dark pages: both axes logarithmic unless a panel says otherwise.
 */

/** One line. */
export interface Series {
  readonly title: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One chart. */
export interface Panel {
  readonly title: string;
  /** What x counts. */
  readonly x: string;
  /** Written behind each y. */
  readonly unit: string;
  readonly series: readonly Series[];
}

const WIDTH = 440;
const HEIGHT = 300;
const MARGIN = { top: 36, right: 16, bottom: 44, left: 64 };
/** How many panels stand side by side: as much as a page is wide. */
const COLUMNS = 2;
const COLORS = ["#8a8a8a", "#0a7d5a", "#3b6fd4", "#c2681d", "#a03a8c", "#b59b00", "#c03030", "#2a9db5"];

/** Draws panels in rows, with one legend. */
export function drawChart(panels: readonly Panel[]): string {
  const titles = [...new Set(panels.flatMap(({ series }) => series.map(({ title }) => title)))];
  const color = (title: string) => COLORS[titles.indexOf(title) % COLORS.length]!;
  const legendTop = HEIGHT * Math.ceil(panels.length / COLUMNS) + 8;
  const width = WIDTH * Math.min(panels.length, COLUMNS);
  const place = (i: number) => `${(i % COLUMNS) * WIDTH} ${Math.floor(i / COLUMNS) * HEIGHT}`;
  const height = legendTop + 20 * Math.ceil(titles.length / 3) + 8;
  const legend = titles.map((title, i) => {
    const [x, y] = [MARGIN.left + (i % 3) * (width / 3), legendTop + 20 * Math.floor(i / 3)];
    return `<rect x="${x}" y="${y}" width="12" height="12" fill="${color(title)}"/>` +
      `<text x="${x + 18}" y="${y + 11}">${escape(title)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#777">`,
    ...panels.map((panel, i) => `<g transform="translate(${place(i)})">${drawPanel(panel, color)}</g>`),
    ...legend,
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(panel: Panel, color: (title: string) => string): string {
  const points = panel.series.flatMap(({ points }) => points).filter(([x, y]) => x > 0 && y > 0);
  if (points.length === 0) return "";
  const x = scale(points.map(([x]) => x), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(points.map(([, y]) => y), HEIGHT - MARGIN.bottom, MARGIN.top);
  const parts = [
    `<text x="${MARGIN.left}" y="20" font-weight="600">${escape(panel.title)}</text>`,
    `<text x="${WIDTH - MARGIN.right}" y="${HEIGHT - 8}" text-anchor="end">${escape(panel.x)}</text>`,
  ];
  for (const tick of y.ticks) {
    const at = y.place(tick).toFixed(1);
    parts.push(`<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="#7774"/>`);
    parts.push(`<text x="${MARGIN.left - 6}" y="${at}" dy="4" text-anchor="end">${short(tick)}${panel.unit}</text>`);
  }
  for (const tick of new Set(points.map(([x]) => x))) {
    const at = x.place(tick).toFixed(1);
    parts.push(`<text x="${at}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${short(tick)}</text>`);
  }
  for (const { title, points } of panel.series) {
    const drawn = points.filter(([x, y]) => x > 0 && y > 0);
    const path = drawn.map(([px, py], i) =>
      `${i === 0 ? "M" : "L"}${x.place(px).toFixed(1)} ${y.place(py).toFixed(1)}`
    );
    parts.push(`<path d="${path.join("")}" fill="none" stroke="${color(title)}" stroke-width="2"/>`);
    for (const [px, py] of drawn) {
      parts.push(
        `<circle cx="${x.place(px).toFixed(1)}" cy="${y.place(py).toFixed(1)}" r="3" fill="${color(title)}"/>`,
      );
    }
  }
  return parts.join("");
}

/** A logarithmic scale over some values, from `start` to `end` in pixels, with ticks at powers of ten. */
function scale(values: readonly number[], start: number, end: number) {
  const low = Math.log10(Math.min(...values));
  const high = Math.max(Math.log10(Math.max(...values)), low + 0.01);
  const place = (value: number) => start + (Math.log10(value) - low) / (high - low) * (end - start);
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const step of high - low > 2 ? [1] : [1, 2, 5]) {
      const tick = step * 10 ** power;
      if (Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9) ticks.push(tick);
    }
  }
  return { place, ticks };
}

function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
