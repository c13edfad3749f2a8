/**
 * Stores or deletes a definition.
 */
import type { RedisConnection } from "../connection/connection.ts";
import { defineScript, runScript } from "../connection/script.ts";

/** Changes version, paths, document and announcement of a workflow together, or refuses. */
export const PUT = defineScript(`
-- KEYS  1 workflows  2 webhooks  3 counter  4 document  5 the version before it  6 control  7 this version, or '' to delete
-- ARGV  1 id  2 version that must be there, '' for none  3 the new version, '' to delete  4 document (JSON)
--       5 TTL (s) of the version before it  6 '1' where documents are RedisJSON  7 TTL (s) of a deleted one's counter
--       8.. "<method> <path>" of each webhook
-- Reply 'ok', 'moved' when another version is there, or the index (from 1) and the owner of each path that is taken
local function parse(route)
  local method, shape = string.match(route, '^(%S+) (.*)$')
  local segments = {}
  for segment in string.gmatch(shape, '[^/]+') do segments[#segments + 1] = segment end
  return {method = method, segments = segments}
end
-- The same rule as routesMeet() of workflow_rules.ts
local function meet(a, b)
  if #a.segments ~= #b.segments then return false end
  if a.method ~= b.method and a.method .. b.method ~= 'GETHEAD' and a.method .. b.method ~= 'HEADGET' then return false end
  for i, segment in ipairs(a.segments) do
    if segment ~= b.segments[i] and segment ~= ':' and b.segments[i] ~= ':' then return false end
  end
  return true
end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 'moved' end
local routes = redis.call('HGETALL', KEYS[2])
if #ARGV > 7 then
  local others = {}
  for i = 1, #routes, 2 do
    if routes[i + 1] ~= ARGV[1] then
      local other = parse(routes[i])
      other.owner = routes[i + 1]
      others[#others + 1] = other
    end
  end
  local taken = {}
  for i = 8, #ARGV do
    local wanted = parse(ARGV[i])
    for _, other in ipairs(others) do
      if meet(wanted, other) then
        taken[#taken + 1] = i - 7
        taken[#taken + 1] = other.owner
        break
      end
    end
  end
  if #taken > 0 then return taken end
end
if ARGV[3] ~= '' then
  local last = tonumber(redis.call('GET', KEYS[3]) or '0')
  if last >= tonumber(ARGV[3]) then return 'moved' end
end
-- Before all other writes, which nothing would take back: a document that is refused ends the script here.
if ARGV[3] ~= '' then
  if ARGV[6] == '1' then redis.call('JSON.SET', KEYS[4], '$', ARGV[4]) else redis.call('SET', KEYS[4], ARGV[4]) end
end
for i = 1, #routes, 2 do
  if routes[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[2], routes[i]) end
end
if ARGV[2] ~= '' then redis.call('EXPIRE', KEYS[5], ARGV[5]) end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('UNLINK', KEYS[4])
  redis.call('EXPIRE', KEYS[3], ARGV[7])
else
  for i = 8, #ARGV do redis.call('HSET', KEYS[2], ARGV[i], ARGV[1]) end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  redis.call('SET', KEYS[3], ARGV[3])
  redis.call('SET', KEYS[7], ARGV[4])
end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', '1000', '*', 'workflow', ARGV[1])
return 'ok'
`);

/** What {@linkcode putWorkflow} takes. */
export interface PutWorkflowOptions {
  /** The definitions, the webhooks of all workflows, and the control stream. */
  readonly keys: {
    readonly workflows: string;
    readonly webhooks: string;
    readonly counter: string;
    readonly document: string;
    /** The version before it. */
    readonly previous: string;
    readonly control: string;
    /** This version. */
    readonly version: string;
  };
  /** The workflow. */
  readonly workflowId: string;
  /** The version that must be there, and how long it is kept once another has taken its place. */
  readonly current?: { readonly version: number; readonly ttlSeconds: number };
  /** The new version; absent to delete the workflow. */
  readonly next?: { readonly version: number; readonly document: string };
  /** Whether documents are RedisJSON, or strings. */
  readonly asJson: boolean;
  /** How long the counter of a deleted workflow is kept. */
  readonly counterTtlSeconds: number;
  /** `<method> <path>` of each webhook. */
  readonly routes: readonly string[];
}

/** What {@linkcode putWorkflow} replies: an array has the index (from 1) and the owner of each path that is taken. */
export type PutReply = "ok" | "moved" | (string | number)[];

/** Stores a definition, or deletes it. */
export function putWorkflow(connection: RedisConnection, options: PutWorkflowOptions): Promise<PutReply> {
  const { keys, workflowId, current, next, asJson, counterTtlSeconds, routes } = options;
  return runScript<PutReply>(connection, PUT, {
    keys: [
      keys.workflows,
      keys.webhooks,
      keys.counter,
      keys.document,
      keys.previous,
      keys.control,
      keys.version,
    ],
    args: [
      workflowId,
      current === undefined ? "" : String(current.version),
      next === undefined ? "" : String(next.version),
      next === undefined ? "" : next.document,
      current === undefined ? "" : String(current.ttlSeconds),
      asJson ? "1" : "",
      String(counterTtlSeconds),
      ...routes,
    ],
  });
}
