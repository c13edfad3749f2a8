/**
 * What the stream commands reply (RESP 2), as data.
 */
import type { Reply } from "../connection/connection.ts";

/** One stream entry. */
export interface StreamEntry {
  readonly id: string;
  /** Its fields by their names; of one that comes again the last. */
  readonly fields: Fields;
  /** The same as it stands there: names and values in turn. */
  readonly words: readonly string[];
}

/** Looks fields up where they stand: an entry has few, and a map of them would cost more than all look-ups. */
export class Fields {
  readonly #words: readonly string[];

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get(name: string): string | undefined {
    const words = this.#words;
    for (let i = words.length - 2; i >= 0; i -= 2) if (words[i] === name) return words[i + 1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
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
    parsed.push({ id, fields: new Fields(words), words });
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
