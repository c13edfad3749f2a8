/**
 * What an instance that has an archive says of it, and how long it keeps executions for it.
 */
import type { Archive, ArchiveHealth } from "./archive.ts";
import type { ArchiveFeed, Backlog } from "./archive_feed.ts";
import type { Archiver } from "./archiver.ts";

/** One check of `/health`. */
export interface HistoryHealth extends ArchiveHealth {
  /** What waits in the store, and for how long it is kept there. */
  readonly backlog?: Backlog & { readonly keptSeconds: number };
  /** Since this instance was started: logs that were gone before they were archived, and what the archive refused. */
  readonly lost?: number;
  readonly refused?: number;
}

/** What {@linkcode historyHealth} asks. */
export interface HistoryParts {
  /** Answers whether the database can be reached. */
  readonly archive: Pick<Archive, "health">;
  /** Answers how much waits to be archived. */
  readonly feed: Pick<ArchiveFeed, "backlog">;
  /** Absent on an instance that does not archive. */
  readonly archiver: Pick<Archiver, "counts"> | undefined;
  /** How long what is not yet archived is kept for it, in seconds. */
  readonly backlogSeconds: number;
}

/** How the archive is, and how far behind it is. */
export async function historyHealth(parts: HistoryParts): Promise<HistoryHealth> {
  const { archive, feed, archiver, backlogSeconds } = parts;
  // What the store cannot say is missing: its own check tells why.
  const [health, backlog] = await Promise.all([archive.health(), feed.backlog().catch(() => undefined)]);
  return {
    ...health,
    ...(backlog !== undefined && { backlog: { ...backlog, keptSeconds: backlogSeconds } }),
    ...archiver?.counts,
  };
}
