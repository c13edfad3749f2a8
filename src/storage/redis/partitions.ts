/**
 * How many partitions there are: all instances of one Redis need the same.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";

/** The first instance writes the number of partitions; one that is configured otherwise must not start. */
export async function agreeOnPartitions(commands: RedisConnection, keys: Keys): Promise<void> {
  const wanted = String(keys.partitions);
  await commands.send(["SET", keys.partitionCount(), wanted, "NX"]);
  const agreed = await commands.send<string>(["GET", keys.partitionCount()]);
  if (agreed === wanted) return;
  throw new Error(`PARTITIONS is ${wanted}, but this Redis was set up with ${agreed}: set PARTITIONS=${agreed}`);
}
