/**
 * The position of a follower of the feed: an entry id where there is one partition, and one text of all ids where there
 * are several.
 *
 * That text is `f`, the milliseconds of the newest id, and for each partition `_`, by how many milliseconds its id is
 * older, and `.` with its count if that is not 0; all in base 36. A partition without entries has nothing after `_`.
 *
 * @example
 * ```ts
 * encodeFeedCursor(["1700000000000-0"]); // "1700000000000-0"
 * encodeFeedCursor(["1700000000000-0", "0-0", "1699999999990-3"]); // "floyw3v28_0__a.3"
 * ```
 */
import { MillraceError } from "../lib/errors.ts";
import { isEntryId } from "../lib/entry_id.ts";

const SEVERAL = /^f[0-9a-z]{1,10}(?:_(?:[0-9a-z]{1,10}(?:\.[0-9a-z]{1,10})?)?){2,1024}$/;
const BEGINNING = "0-0";

/** The cursor after these entries, one id a partition. */
export function encodeFeedCursor(ids: readonly string[]): string {
  if (ids.length === 1) return ids[0]!;
  const places = ids.map((id) => id.split("-").map(Number));
  const newest = Math.max(...places.map(([ms = 0]) => ms));
  const parts = places.map(([ms = 0, count = 0]) => {
    if (ms === 0 && count === 0) return "_";
    return `_${(newest - ms).toString(36)}${count === 0 ? "" : `.${count.toString(36)}`}`;
  });
  return `f${newest.toString(36)}${parts.join("")}`;
}

/** True for a text in the form of a cursor, of one partition or of several. */
export function isFeedCursor(text: string): boolean {
  return isEntryId(text) || decode(text) !== undefined;
}

/**
 * The ids in a cursor, one a partition. With several partitions an entry id is the position in one of them only:
 * entries of the others may then be missing, and `isExact` is false. Throws `invalid_last_event_id` for a cursor of
 * another number of partitions.
 */
export function decodeFeedCursor(cursor: string, partitions: number): { ids: string[]; isExact: boolean } {
  if (isEntryId(cursor)) {
    const id = cursor.includes("-") ? cursor : `${cursor}-0`;
    return { ids: Array.from({ length: partitions }, () => id), isExact: partitions === 1 || id === BEGINNING };
  }
  const ids = decode(cursor);
  if (ids?.length === partitions) return { ids, isExact: true };
  throw new MillraceError("invalid_last_event_id", `"${cursor}" is not an id of this stream of events`);
}

function decode(text: string): string[] | undefined {
  if (!SEVERAL.test(text)) return undefined;
  const [first = "", ...parts] = text.slice(1).split("_");
  const newest = parseInt(first, 36);
  const places = parts.map((part) => {
    if (part === "") return { ms: 0, count: 0 };
    const [older = "", count = "0"] = part.split(".");
    return { ms: newest - parseInt(older, 36), count: parseInt(count, 36) };
  });
  return places.every(({ ms }) => ms >= 0) ? places.map(({ ms, count }) => `${ms}-${count}`) : undefined;
}
