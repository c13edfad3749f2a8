/**
 * What a node reports of itself, thinned out: one that reports ten thousand times writes few entries.
 *
 * 1. A report is written at once where none was written for {@linkcode SPACING_MS}, nor for a hundredth of the time
 *    since the first: a node that takes a day writes about a thousand.
 * 2. Of those that come sooner the newest is written, when that time is over or at the node's end, whichever is first.
 * 3. What is reported after the end is dropped: the last entry is before the node's completion.
 */
import { checkJson, type JsonObject, type JsonValue } from "../lib/json.ts";
import { REPORT_LIMITS } from "../execution/progress.ts";
import type { NodeReport } from "../workflow/definition.ts";

/** The least time between two entries of a node, in milliseconds. */
export const SPACING_MS = 100;
/** The part of a node's time that lies between two entries at least. */
const SPACING_PART = 0.01;

/** The reports of one attempt at a node. */
export class ProgressReports {
  readonly #write: (report: JsonObject) => void;
  #firstAt: number | undefined;
  #writtenAt = -Infinity;
  #next: NodeReport | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  /** @param write takes the reports that are kept, as JSON that nobody changes any more */
  constructor(write: (report: JsonObject) => void) {
    this.#write = write;
  }

  /** Takes a report, and writes it or a newer one. Never throws. */
  take(report: NodeReport): void {
    if (this.#isOver) return;
    this.#next = report;
    if (this.#timer !== undefined) return;
    const now = performance.now();
    this.#firstAt ??= now;
    const spacingMs = Math.max(SPACING_MS, (now - this.#firstAt) * SPACING_PART);
    const leftMs = this.#writtenAt + spacingMs - now;
    if (leftMs <= 0) this.#flush();
    else this.#timer = setTimeout(() => this.#flush(), leftMs);
  }

  /** The attempt is over: writes what is left. */
  end(): void {
    this.#flush();
    this.#isOver = true;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const report = this.#next;
    this.#next = undefined;
    if (report === undefined) return;
    const kept = keptOf(report);
    if (kept === undefined) return;
    this.#writtenAt = performance.now();
    this.#write(kept);
  }
}

/** A report as it is written; `undefined` where it says nothing. */
function keptOf({ percent, data }: NodeReport): JsonObject | undefined {
  const kept: JsonObject = {
    ...(typeof percent === "number" && !Number.isNaN(percent) && { percent: Math.min(100, Math.max(0, percent)) }),
    ...(data !== undefined && { data: copyOf(data) }),
  };
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** A copy, since the node may go on to change it; `null` for what is no JSON, or too large to be shown. */
function copyOf(data: JsonValue): JsonValue {
  return checkJson(data, REPORT_LIMITS) === undefined ? JSON.parse(JSON.stringify(data)) : null;
}
