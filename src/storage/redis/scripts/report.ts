/**
 * Appends what another program reports of the execution that it runs.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";
import { appendArgs, type AppendReply, type AppendScriptOptions, appendSource } from "./append.ts";

/** Checks that it may be reported now, and remembers the event's name; then it is an append of the newest claim. */
const BEFORE = `
-- Before the arguments of an append:
-- ARGV  1 name of the event, or ''  2 epoch, or ''  3 'execution.started', or another type
-- Reply also 'internal', 'duplicate', 'stale', 'order'
local external = true
local name, epoch, type = ARGV[1], ARGV[2], ARGV[3]
local shifted = {}
for i = 4, #ARGV do shifted[i - 3] = ARGV[i] end
local ARGV = shifted
local e = redis.call('HMGET', KEYS[1], 'epoch', 'external', 'status', 'sequence', 'taken', 'begun', 'lease', 'workflow',
  'event:' .. name, 'inLine')
if not e[1] then return 'gone' end
if not e[2] then return 'internal' end
if name ~= '' and e[9] then return 'duplicate' end
if ENDED[e[3]] then return 'ended' end
if epoch ~= e[1] and (epoch ~= '' or e[5] or e[2] == 'taken') then return 'stale' end
-- One that waits for its lock or a slot has yet to begin.
if e[10] == '1' or (type == 'execution.started') == (e[6] == e[1]) then return 'order' end
ARGV[2], ARGV[3] = e[1], e[4]
if name ~= '' then redis.call('HSET', KEYS[1], 'event:' .. name, '1') end
if type == 'execution.started' then redis.call('HSET', KEYS[1], 'begun', e[1]) end
if type == 'execution.progress' then redis.call('HDEL', KEYS[1], 'deliveries') end
if e[7] then redis.call('ZADD', ARGV[8] .. 'external:' .. e[8], 'XX', clock() + e[7], ARGV[1]) end
`;

/** A full server takes it only when it ends the execution. */
export const REPORT = defineScript(appendSource(BEFORE));
export const REPORT_LAST = defineScript(appendSource(BEFORE), { allowOom: true });

/** What {@linkcode report} takes. */
export interface ReportScriptOptions extends Omit<AppendScriptOptions, "epoch" | "sequence"> {
  /** The event's name, or "". */
  readonly name: string;
  /** Of the last event. */
  readonly type: string;
  /** Of the claim, or "". */
  readonly claimEpoch: string;
}

/** Appends a reported event. */
export function report(
  connection: RedisConnection,
  options: ReportScriptOptions,
): Promise<AppendReply | "internal" | "duplicate" | "stale" | "order"> {
  const { keys, name, type, claimEpoch } = options;
  return runScript(connection, options.makesRoom ? REPORT_LAST : REPORT, {
    keys: [keys.meta, keys.log, keys.feed, keys.work, keys.result, options.inbox],
    args: [name, claimEpoch, type, ...appendArgs({ ...options, epoch: "", sequence: "" })],
  });
}
