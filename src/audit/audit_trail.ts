/**
 * Writes the audit in the background: no call waits for it or fails because of it.
 *
 * Invariants:
 * 1. One batch is under way at a time, and it is sent until it is known to be written: none is lost, or written twice.
 * 2. What waits is bounded; what does not fit is counted and told.
 * 3. At an orderly end all that waits is written, if the store takes it in time.
 *
 * @example
 * ```ts
 * await using trail = new AuditTrail({ log: store.audit, now: () => store.clock.now() });
 * trail.record({ token: "ci", method: "DELETE", route: "/api/workflows/:id", what: { workflow: "orders" }, … });
 * ```
 */
import { pause } from "../lib/delay.ts";
import type { AuditLog, AuditRecord } from "./audit_log.ts";

/** How many records one batch has, at most. */
const BATCH = 200;
/** The pause after a failure, the first and the longest, in milliseconds. */
const AGAIN_MS = 100;
const AGAIN_MOST_MS = 5000;

/** Options of {@linkcode AuditTrail}. */
export interface AuditTrailOptions {
  /** Where the records go. Required. */
  readonly log: Pick<AuditLog, "append">;
  /** Epoch milliseconds, by the store's clock. Required. */
  readonly now: () => number;
  /** Called when the store begins not to take records, and when some were lost. Default none. */
  readonly onError?: (error: unknown) => void;
  /** How many records may wait for the store. Default 10,000. */
  readonly mostWaiting?: number;
  /** How long an orderly end waits for the store, in milliseconds. Default 2000. */
  readonly endMs?: number;
}

/** Takes records, and writes them. */
export class AuditTrail implements AsyncDisposable {
  readonly #options: Required<AuditTrailOptions>;
  readonly #writer = crypto.randomUUID();
  /** Aborts when nothing is tried again any more. */
  readonly #over = new AbortController();
  #waiting: AuditRecord[] = [];
  #number = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;

  constructor(options: AuditTrailOptions) {
    this.#options = { onError: () => {}, mostWaiting: 10_000, endMs: 2000, ...options };
  }

  /** Takes a record, which is written soon. Never throws. */
  record(record: Omit<AuditRecord, "at">): void {
    const { mostWaiting, now } = this.#options;
    if (this.#waiting.length >= mostWaiting) {
      if (this.#lost++ === 0) this.#tell(`The audit begins to lose records: ${mostWaiting} wait for the store`);
      return;
    }
    this.#waiting.push({ at: now(), ...record });
    this.#writing ??= this.#write();
  }

  /** Writes what waits; what the store has not taken in time is lost, and that is told. */
  async [Symbol.asyncDispose](): Promise<void> {
    const written = new AbortController();
    await Promise.race([this.#writing?.then(() => written.abort()), pause(this.#options.endMs, written.signal)]);
    this.#over.abort();
    const lost = this.#lost + this.#waiting.length;
    if (lost > 0) this.#tell(`The audit lost ${lost} records`);
  }

  /** Ends when nothing waits; whoever records something then begins anew. */
  async #write(): Promise<void> {
    const { signal } = this.#over;
    let againMs = AGAIN_MS;
    // A turn later, so that what comes together goes together.
    await undefined;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const records = this.#waiting.slice(0, BATCH);
      this.#number++;
      while (!signal.aborted && !(await this.#append(records, againMs === AGAIN_MS))) {
        await pause(againMs * (0.5 + Math.random() / 2), signal);
        againMs = Math.min(2 * againMs, AGAIN_MOST_MS);
      }
      if (signal.aborted) break;
      this.#waiting = this.#waiting.slice(records.length);
      againMs = AGAIN_MS;
    }
    this.#writing = undefined;
  }

  async #append(records: readonly AuditRecord[], isFirst: boolean): Promise<boolean> {
    const { log, onError } = this.#options;
    try {
      await log.append({ writer: this.#writer, number: this.#number, records });
      return true;
    } catch (error) {
      if (isFirst) onError(error);
      return false;
    }
  }

  #tell(message: string): void {
    this.#options.onError(new Error(message));
  }
}
