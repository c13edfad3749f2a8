/**
 * What the stream commands reply (RESP 2), as data.
 */
import type { Reply } from "../connection/connection.ts";

/** One stream entry: id and fields. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
  /** The same as it stands there: names and values in turn, of which a name may come again. */
  readonly words: readonly string[];
}

/** Reads the reply of XREAD and XREADGROUP. Entries that were deleted meanwhile are left out. */
export function parseStreams(reply: Reply): [string, StreamEntry[]][] {
  if (reply === null) return [];
  return (reply as [string, Reply[]][]).map(([name, entries]) => [name, parseEntries(entries)]);
}

/** Reads a list of entries, as XRANGE replies. */
export function parseEntries(entries: Reply): StreamEntry[] {
  const parsed: StreamEntry[] = [];
  for (const [id, words] of entries as [string, string[] | null][]) {
    if (words === null) continue;
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < words.length; i += 2) fields.set(words[i]!, words[i + 1]!);
    parsed.push({ id, fields, words });
  }
  return parsed;
}

/** The ids of pending entries, as `XREADGROUP … 0` replies, that are no longer in their streams. */
export function parseDeleted(reply: Reply): [string, string[]][] {
  if (reply === null) return [];
  return (reply as [string, [string, Reply][]][]).map((
    [name, entries],
  ) => [name, entries.filter(([, words]) => words === null).map(([id]) => id)]);
}

/** Reads a flat list of names and values, such as `XINFO STREAM` and each item of `XINFO GROUPS`. */
export function parseInfo(reply: Reply): Map<string, Reply> {
  const words = reply as Reply[];
  const info = new Map<string, Reply>();
  for (let i = 0; i + 1 < words.length; i += 2) info.set(words[i] as string, words[i + 1]!);
  return info;
}
