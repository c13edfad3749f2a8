/**
 * The names of the keys of the audit, which all partitions share: it lies in the first.
 */
import type { Keys } from "./keys.ts";

/** Stream of who changed what, trimmed by length. */
export function auditEntries(keys: Keys): string {
  return `${keys.base(0)}audit`;
}

/** The number of the last batch that a writer has added to it; for a day. */
export function auditWriter(keys: Keys, writer: string): string {
  return `${keys.base(0)}audit-writer:${writer}`;
}
