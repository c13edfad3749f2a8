/**
 * What all instances of one Redis have to do alike: the first one writes it down, and the others keep to it.
 */
import type { RedisConnection } from "./connection/connection.ts";
import { type DocumentKind, hasRedisJson } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";

/** The first instance writes the number of partitions; one that is configured otherwise must not start. */
export async function agreeOnPartitions(commands: RedisConnection, keys: Keys): Promise<void> {
  const wanted = String(keys.partitions);
  const agreed = await agree(commands, keys.agreed("partitions"), wanted);
  if (agreed === wanted) return;
  throw new Error(`PARTITIONS is ${wanted}, but this Redis was set up with ${agreed}: set PARTITIONS=${agreed}`);
}

/**
 * Documents stay of the kind that the first instance wrote, RedisJSON where its server had that: a server that gains it
 * later has strings under these keys.
 *
 * @param options.used what this instance uses already, when it comes back to Redis, which may have lost its data
 */
export async function agreeOnDocuments(
  commands: RedisConnection,
  keys: Keys,
  { used }: { used?: DocumentKind } = {},
): Promise<DocumentKind> {
  const hasJson = await hasRedisJson(commands);
  const wanted = used ?? await kindOfDefinitions(commands, keys) ?? (hasJson ? "RedisJSON" : "strings");
  // What this server cannot keep is not written down in it.
  const agreed = wanted === "RedisJSON" && !hasJson ? wanted : await agree(commands, keys.agreed("documents"), wanted);
  if (agreed === "RedisJSON" && !hasJson) {
    throw new Error(
      "its documents are RedisJSON, which it does not have: load that module, use Redis 8, or set another REDIS_PREFIX",
    );
  }
  if (used === undefined || agreed === used) return agreed;
  throw new Error(`Documents in this Redis are ${agreed}, but this instance uses ${used}: start it again`);
}

/** What definitions are that were stored before instances agreed on a kind; `undefined` when there are none. */
async function kindOfDefinitions(commands: RedisConnection, keys: Keys): Promise<DocumentKind | undefined> {
  for (const id of await commands.send<string[]>(["HKEYS", keys.workflows()])) {
    const type = await commands.send<string>(["TYPE", keys.workflow(id)]);
    if (type !== "none") return type === "string" ? "strings" : "RedisJSON";
  }
  return undefined;
}

async function agree<T extends string>(commands: RedisConnection, key: string, wanted: T): Promise<T> {
  await commands.send(["SET", key, wanted, "NX"]);
  return await commands.send<T>(["GET", key]);
}
