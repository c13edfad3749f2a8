/**
 * What is counted for each request, gathered until the metrics are read: to look labels up costs prom-client more than
 * all else that a short request does for its metrics.
 */
import type { Counter, Histogram } from "prom-client";

/** Counts by a label or two. */
export class GatheredCounts {
  readonly #counts = new Map<string, Map<string | number, number>>();

  add(first: string, second: string | number = ""): void {
    let counts = this.#counts.get(first);
    if (counts === undefined) this.#counts.set(first, counts = new Map());
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }

  /** Adds what was gathered to a counter. */
  handTo(counter: Counter, labels: readonly [first: string, second?: string]): void {
    const [firstLabel, secondLabel] = labels;
    for (const [first, counts] of this.#counts) {
      for (const [second, count] of counts) {
        counter.inc({ [firstLabel]: first, ...(secondLabel !== undefined && { [secondLabel]: second }) }, count);
      }
    }
    this.#counts.clear();
  }
}

/** How many values are gathered at most. */
const MOST = 1000;

/** Values of a histogram without labels. */
export class GatheredValues {
  #values: number[] = [];
  readonly #histogram: Histogram;

  constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  add(value: number): void {
    if (this.#values.push(value) === MOST) this.handOver();
  }

  /** Adds what was gathered to the histogram. */
  handOver(): void {
    for (const value of this.#values) this.#histogram.observe(value);
    this.#values = [];
  }
}
