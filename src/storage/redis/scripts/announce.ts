/**
 * Announces on the control stream.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Adds to the control stream, which it trims. */
export const ANNOUNCE = defineScript(
  `
-- KEYS  1 control stream
-- ARGV  1 what happened  2 execution id
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', 1000, '*', ARGV[1], ARGV[2])
`,
  { allowOom: true },
);

/** What {@linkcode announceChange} takes. */
export interface AnnounceOptions {
  /** The control stream. */
  readonly keys: { readonly control: string };
  /** What happened to the execution. */
  readonly what: "cancelled" | "paused" | "resumed";
  /** The execution. */
  readonly executionId: string;
}

/** Announces what happened to an execution; replies with the id of the entry. */
export function announceChange(connection: RedisConnection, options: AnnounceOptions): Promise<string> {
  const { keys, what, executionId } = options;
  return runScript<string>(connection, ANNOUNCE, { keys: [keys.control], args: [what, executionId] });
}
