/**
 * A growth curve: figures at a number of points, as a table and as a chart.
 */
import type { RedisStats } from "./redis_stats.ts";

/** Where a curve is measured. */
export interface Ground {
  readonly redisUrl: string;
  readonly stats: RedisStats;
  /** Seconds for each point. */
  readonly seconds: number;
  readonly note: (line: string) => void;
}

/** Figures at one point: by the words of the table's head. */
export interface Point {
  /** Which line of the chart it belongs to, where there are several. */
  readonly line?: string;
  readonly x: number;
  readonly figures: Readonly<Record<string, number>>;
  /** Callers without an answer, or with a wrong one. */
  readonly lost: number;
}

/** One curve. */
export interface Curve {
  /** The word for `--growth`. */
  readonly name: string;
  readonly title: string;
  /** What grows. */
  readonly x: string;
  /** Which of the figures the chart shows. */
  readonly charted: string;
  measure(ground: Ground): AsyncIterable<Point>;
}
