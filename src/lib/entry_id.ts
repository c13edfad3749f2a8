/**
 * Ids of stream entries, as Redis makes them: `<epoch milliseconds>-<count>`.
 *
 * @example
 * ```ts
 * compareEntryIds("1700000000000-2", "1700000000000-10"); // negative
 * ```
 */

/** True for a stream entry id: `<ms>-<n>`, or `<ms>` alone. */
export function isEntryId(text: string): boolean {
  return /^\d{1,15}(-\d{1,15})?$/.test(text);
}

/** Compares two stream entry ids: negative, zero or positive, as `Array.prototype.sort` wants it. */
export function compareEntryIds(a: string, b: string): number {
  const [aTime = "0", aCount = "0"] = a.split("-");
  const [bTime = "0", bCount = "0"] = b.split("-");
  return Number(aTime) - Number(bTime) || Number(aCount) - Number(bCount);
}

/** When a stream entry was added, by its id: epoch milliseconds. */
export function entryTime(id: string): number {
  return Number(id.split("-", 1)[0]);
}

/** An id just before this one, to read from it on inclusively. */
export function entryIdBefore(id: string): string {
  const [ms = "0", count = "0"] = id.split("-");
  if (count !== "0") return `${ms}-${Number(count) - 1}`;
  return ms === "0" ? "0-0" : `${Number(ms) - 1}-999999999999999`;
}

/** The id that is `count` after this one in the same millisecond. */
export function entryIdAfter(id: string, count: number): string {
  const at = id.indexOf("-") + 1;
  return count === 0 ? id : id.slice(0, at) + (Number(id.slice(at)) + count);
}
