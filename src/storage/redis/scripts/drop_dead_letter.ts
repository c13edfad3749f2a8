/**
 * Drops a dead letter.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Deletes a dead letter, and its id from the partition's list. */
export const DROP = defineScript(
  `
-- KEYS  1 ids of the partition's dead letters  2 dead letter
-- ARGV  1 execution id
-- Reply 1, or 0 when there was none
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])
`,
  { allowOom: true },
);

/** What {@linkcode dropDeadLetter} takes. */
export interface DropDeadLetterOptions {
  /** The dead letters of the partition, and this one. */
  readonly keys: {
    /** The ids of the partition's dead letters. */
    readonly ids: string;
    readonly letter: string;
  };
  /** The execution that was given up. */
  readonly executionId: string;
}

/** Drops a dead letter; `false` when there was none. */
export async function dropDeadLetter(connection: RedisConnection, options: DropDeadLetterOptions): Promise<boolean> {
  const { keys, executionId } = options;
  return await runScript<number>(connection, DROP, { keys: [keys.ids, keys.letter], args: [executionId] }) === 1;
}
