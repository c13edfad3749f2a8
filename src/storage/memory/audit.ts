/**
 * The audit in memory.
 */
import type { AuditBatch, AuditEntry, AuditLog, AuditPage, AuditQuery } from "../../audit/audit_log.ts";
import { compareEntryIds, isEntryId } from "../../lib/entry_id.ts";
import { invalidCursor } from "../store_rules.ts";

/** How many more entries than it may have gather before the oldest are taken out. */
const SLACK = 100;
/** Of how many writers it is remembered which batch was the last. */
const WRITERS = 1000;

/** What the audit is kept with. */
export interface MemoryAuditOptions {
  /** How many entries are kept; up to a hundred more. */
  readonly limit: number;
  /** Makes entry ids that grow. */
  readonly nextId: () => string;
}

/** {@linkcode AuditLog} in memory. */
export class MemoryAudit implements AuditLog {
  readonly #options: MemoryAuditOptions;
  /** Oldest first. */
  #entries: AuditEntry[] = [];
  readonly #writers = new Map<string, number>();

  constructor(options: MemoryAuditOptions) {
    this.#options = options;
  }

  append({ writer, number, records }: AuditBatch): Promise<void> {
    if ((this.#writers.get(writer) ?? 0) >= number) return Promise.resolve();
    this.#writers.delete(writer);
    this.#writers.set(writer, number);
    if (this.#writers.size > WRITERS) this.#writers.delete(this.#writers.keys().next().value!);
    const { limit, nextId } = this.#options;
    for (const record of records) this.#entries.push({ id: nextId(), ...structuredClone(record) });
    if (this.#entries.length > limit + SLACK) this.#entries = this.#entries.slice(-limit);
    return Promise.resolve();
  }

  list({ limit, cursor, token }: AuditQuery): Promise<AuditPage> {
    if (cursor !== undefined && !isEntryId(cursor)) return Promise.reject(invalidCursor(cursor));
    const entries: AuditEntry[] = [];
    for (const entry of this.#entries.toReversed()) {
      if (cursor !== undefined && compareEntryIds(entry.id, cursor) >= 0) continue;
      if (token !== undefined && entry.token !== token) continue;
      if (entries.length === limit) return Promise.resolve({ entries, nextCursor: entries.at(-1)!.id });
      entries.push(entry);
    }
    return Promise.resolve({ entries });
  }
}
