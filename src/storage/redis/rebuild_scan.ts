/**
 * What a rebuild asks of Redis: to drop what is made of the logs, and to name every execution that there is.
 */
import type { Clock } from "../../lib/clock.ts";
import { type ExecutionStatus, isEnded } from "../../execution/event.ts";
import type { FeedEntry } from "../../feed/projections.ts";
import { dayOf, KEPT_DAYS } from "../../feed/statistics.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { resetIndexes } from "./scripts/reset_indexes.ts";

/** How many keys one SCAN looks at. */
const SCANNED = 1000;
const DAY_MS = 86_400_000;

/** What is rebuilt. */
export interface RebuildScanOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
}

/** Drops indexes and counters. */
export async function resetAll({ keys, commands, clock }: RebuildScanOptions): Promise<void> {
  // From tomorrow on: the clock of an execution that ends just now may be ahead.
  const days = Array.from({ length: KEPT_DAYS + 2 }, (_, i) => dayOf(clock.now() + (1 - i) * DAY_MS));
  for (let partition = 0; partition < keys.partitions; partition++) {
    const index = (which: Parameters<Keys["index"]>[1]) => keys.index(partition, which);
    await resetIndexes(commands, {
      keys: {
        expiry: keys.expiry(partition),
        expiryBefore: keys.expiryBefore(partition),
        indexes: [
          ...[index("all"), index("status:active"), index("status:pending")],
          ...[index("status:completed"), index("status:failed"), index("status:cancelled")],
        ],
      },
      days: days.map((day) => ({ daily: keys.daily(partition, day), past: keys.dailyPast(partition, day) })),
    });
    for await (const names of scan(commands, index("workflow:"))) await commands.send(["UNLINK", ...names]);
  }
}

/** Every execution, in batches; the first batch is empty. */
export async function* scanExecutions(
  { keys, commands }: RebuildScanOptions,
): AsyncGenerator<{ entries: FeedEntry[]; total: number }> {
  const prefixes = keys.each((partition) => `${keys.base(partition)}meta:`);
  let total = 0;
  for (const prefix of prefixes) for await (const names of scan(commands, prefix)) total += names.length;
  yield { entries: [], total };
  for (const [partition, prefix] of prefixes.entries()) {
    for await (const names of scan(commands, prefix)) {
      const ids = names.map((name) => name.slice(prefix.length));
      const entries = await Promise.all(ids.map((id) => entryOf(commands, keys, { id, partition })));
      yield { entries: entries.filter((entry) => entry !== undefined), total };
    }
  }
}

const FIELDS = ["workflow", "version", "status", "requestedAt", "endedAt", "imported"];

/** An execution as its last feed entry would have it, but for its events; `undefined` when it has expired meanwhile. */
async function entryOf(
  commands: RedisConnection,
  keys: Keys,
  { id: executionId, partition }: { id: string; partition: number },
): Promise<FeedEntry | undefined> {
  const name = keys.meta(executionId);
  // Whoever wrote it, and the archive, which lets it go sooner: they all tell Redis when it expires.
  const [[workflowId, version, status, requestedAt, endedAt, imported], keptUntil] = await Promise.all([
    commands.send<(string | null)[]>(["HMGET", name, ...FIELDS]),
    commands.send<number>(["PEXPIRETIME", name]),
  ]);
  if (typeof workflowId !== "string" || typeof status !== "string") return undefined;
  const entry = {
    id: "",
    partition,
    executionId,
    workflowId,
    version: Number(version),
    first: "",
    last: "",
    types: [],
  };
  if (!isEnded(status as ExecutionStatus)) return entry;
  return {
    ...entry,
    ended: {
      status: status as ExecutionStatus,
      requestedAt: Number(requestedAt),
      endedAt: Number(endedAt),
      keptUntil,
    },
    ...(imported && { imported: true as const }),
  };
}

/** The names of keys that begin with a prefix, in batches; one that is there all the while comes at least once. */
async function* scan(commands: RedisConnection, prefix: string): AsyncGenerator<string[]> {
  const pattern = `${prefix.replace(/[\\*?[\]^]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const [next, names] = await commands.send<[string, string[]]>(
      ["SCAN", cursor, "MATCH", pattern, "COUNT", String(SCANNED)],
    );
    if (names.length > 0) yield names;
    cursor = next;
  } while (cursor !== "0");
}
