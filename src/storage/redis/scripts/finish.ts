/**
 * Ends an execution by its claim's first and only append: the common case of `append.ts`, which reads little of what is
 * known of it. Where anything is not as it is there, it does nothing.
 */
import type { Command, RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Appends the events of a whole run and ends the execution. A server that is full takes it, since it makes room. */
export const FINISH = defineScript(
  `
-- KEYS  1 meta  2 log  3 feed  4 result  5 work, or timers when the claim is local  6 inbox, when there is a reply
-- ARGV  1 execution id  2 epoch  3 its entry in work, or 'local'  4 what is appended, as the feed says it, up to how long
--       it is kept  5 terminal status  6 result (JSON or gzip)  7 events that claims have appended with these
--       8 token of the claim that writes  9 group  10 reply: '' none, 'result' ARGV 6, 'stored' a reference
--       11.. names and values of the fields of the log's entry
-- Reply 'ok', or 'other' when nothing was done
local m = redis.call('HMGET', KEYS[1], 'epoch', 'status', 'entry', 'plain')
if m[1] ~= ARGV[2] or m[2] ~= 'pending' or m[3] ~= ARGV[3] or not m[4] then return 'other' end
local resultTtl, historyTtl = string.match(m[4], '^(%d+) (%d+)$')
local first = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 11))
if ARGV[10] == 'result' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'result', ARGV[6])
elseif ARGV[10] == 'stored' then
  redis.call('XADD', KEYS[6], 'NOMKSTREAM', '*', 'execution', ARGV[1], 'stored', '1')
end
-- The id of the entry is the time.
redis.call('HSET', KEYS[1], 'sequence', ARGV[7], 'status', ARGV[5], 'endedAt', string.match(first, '^%d+'),
  'writer', ARGV[8])
redis.call('EXPIRE', KEYS[1], historyTtl)
redis.call('EXPIRE', KEYS[2], historyTtl)
redis.call('SET', KEYS[4], ARGV[6], 'EX', resultTtl)
redis.call('XADD', KEYS[3], '*', 'execution', ARGV[1], 'first', first, 'append', ARGV[4] .. ' ' .. historyTtl)
if ARGV[3] == 'local' then
  redis.call('ZREM', KEYS[5], ARGV[1])
else
  redis.call('XACK', KEYS[5], ARGV[9], ARGV[3])
  redis.call('XDEL', KEYS[5], ARGV[3])
end
return 'ok'
`,
  { allowOom: true },
);

/** What {@linkcode finish} takes. */
export interface FinishScriptOptions {
  /** What the execution is kept under, its partition's feed and queue, and timers where it is local. */
  readonly keys: {
    readonly meta: string;
    readonly log: string;
    readonly feed: string;
    readonly result: string;
    readonly work: string;
    readonly timers: string;
  };
  /** Where a reply goes; any key when there is none. */
  readonly inbox: string;
  /** The execution. */
  readonly executionId: string;
  /** The claim's epoch. */
  readonly epoch: string;
  /** The claim's entry in the queue, or "" where it is local. */
  readonly entryId: string;
  /** What is appended, as the feed says it, up to how long it is kept. */
  readonly append: string;
  /** The terminal status. */
  readonly status: string;
  /** The result, as JSON or gzip of it. */
  readonly result: string | Uint8Array;
  /** How many events claims have appended with these, the request counted. */
  readonly sequence: number;
  /** The token of the claim that writes. */
  readonly writer: string;
  /** Name of the consumer group. */
  readonly group: string;
  /** What the caller gets, if anything. */
  readonly reply: "result" | "stored" | "";
  /** Names and values of the fields of the log's entry. */
  readonly fields: readonly string[];
}

/** Ends an execution; `other` when it is not the common case, and nothing was done. */
export function finish(connection: RedisConnection, options: FinishScriptOptions): Promise<"ok" | "other"> {
  const { keys, reply, entryId } = options;
  const names = [keys.meta, keys.log, keys.feed, keys.result, entryId === "" ? keys.timers : keys.work];
  if (reply !== "") names.push(options.inbox);
  const args: Command = [
    options.executionId,
    options.epoch,
    entryId === "" ? "local" : entryId,
    options.append,
    options.status,
    options.result,
    String(options.sequence),
    options.writer,
    options.group,
    reply,
  ];
  return runScript(connection, FINISH, { keys: names, args: args.concat(options.fields) });
}
