/**
 * Definitions and their versions on Redis.
 *
 * Invariants:
 * 1. A PUT is one step: version, paths, document and announcement change together or not at all.
 * 2. A version outlives every execution that was requested with it: once another has taken its place it stays for as
 *    long as one of its executions may take, and as long as their history is kept.
 * 3. Version numbers of an id are never used twice.
 */
import type { Clock } from "../../lib/clock.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Documents } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";
import { defineScript, runScript } from "./connection/script.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../../workflow/definition.ts";
import type { WebhookRoute, WorkflowStore } from "../../workflow/workflow_store.ts";
import { checkMatch, COUNTER_TTL_SECONDS, keptSeconds, pathTaken, sameDefinition } from "../../workflow/store_rules.ts";

const PUT = defineScript(`
-- KEYS  1 workflows  2 webhooks  3 counter  4 document  5 the version before it  6 control  7 this version, or '' to delete
-- ARGV  1 id  2 version that must be there, '' for none  3 the new version, '' to delete  4 document (JSON)
--       5 TTL (s) of the version before it  6 '1' where the server has RedisJSON  7 TTL (s) of a deleted one's counter
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
  if ARGV[6] == '1' then redis.call('JSON.SET', KEYS[4], '$', ARGV[4]) else redis.call('SET', KEYS[4], ARGV[4]) end
  redis.call('SET', KEYS[7], ARGV[4])
end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', '1000', '*', 'workflow', ARGV[1])
return 'ok'
`);

/** What the store is made of. */
export interface RedisWorkflowStoreOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  readonly clock: Clock;
  readonly documents: Documents;
  readonly historyTtlSeconds: number;
}

/** {@linkcode WorkflowStore} on Redis; documents are RedisJSON where the server has it. */
export class RedisWorkflowStore implements WorkflowStore {
  readonly #options: RedisWorkflowStoreOptions;
  readonly #listeners: ((id: string | undefined) => void)[] = [];

  constructor(options: RedisWorkflowStoreOptions) {
    this.#options = options;
  }

  async put(
    id: string,
    definition: WorkflowDefinition,
    options: { routes: readonly WebhookRoute[]; ifMatch?: number | "*"; ifNoneMatch?: "*" },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }> {
    for (;;) {
      const current = await this.get(id);
      checkMatch(id, current?.version, options);
      if (current !== undefined && sameDefinition(current.definition, definition)) {
        return { workflow: current, created: false };
      }
      const counter = await this.#options.commands.send<string | null>(["GET", this.#options.keys.workflowCounter(id)]);
      const version = Math.max(Number(counter ?? 0), current?.version ?? 0) + 1;
      const workflow: StoredWorkflow = { id, version, definition, updatedAt: this.#options.clock.now() };
      const answer = await this.#change(id, { current, next: workflow, routes: options.routes });
      if (answer === "ok") return { workflow, created: current === undefined };
      if (Array.isArray(answer)) throw pathTaken(takenRoutes(answer, options.routes));
    }
  }

  async get(id: string, version?: number): Promise<StoredWorkflow | undefined> {
    const { keys, commands, documents } = this.#options;
    if (version === undefined) return await documents.get<StoredWorkflow>(keys.workflow(id));
    const text = await commands.send<string | null>(["GET", keys.workflowVersion(id, version)]);
    return text === null ? undefined : JSON.parse(text);
  }

  async list(): Promise<{ id: string; version: number }[]> {
    const { keys, commands } = this.#options;
    const words = await commands.send<string[]>(["HGETALL", keys.workflows()]);
    const found: { id: string; version: number }[] = [];
    for (let i = 0; i + 1 < words.length; i += 2) found.push({ id: words[i]!, version: Number(words[i + 1]) });
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async delete(id: string, options: { ifMatch?: number | "*" } = {}): Promise<boolean> {
    for (;;) {
      const current = await this.get(id);
      if (current === undefined && options.ifMatch === undefined) return false;
      checkMatch(id, current?.version, options);
      if (await this.#change(id, { current, next: undefined, routes: [] }) === "ok") return true;
    }
  }

  onChange(listener: (id: string | undefined) => void): void {
    this.#listeners.push(listener);
  }

  /** Tells those who listen that a workflow changed, or with `undefined` that any may have. */
  changed(id: string | undefined): void {
    for (const listener of this.#listeners) listener(id);
  }

  #change(
    id: string,
    { current, next, routes }: {
      current: StoredWorkflow | undefined;
      next: StoredWorkflow | undefined;
      routes: readonly WebhookRoute[];
    },
  ): Promise<string | (string | number)[]> {
    const { keys, commands, documents, historyTtlSeconds } = this.#options;
    return runScript<string | (string | number)[]>(commands, PUT, {
      keys: [
        keys.workflows(),
        keys.webhooks(),
        keys.workflowCounter(id),
        keys.workflow(id),
        keys.workflowVersion(id, current?.version ?? 0),
        keys.control(),
        keys.workflowVersion(id, next?.version ?? 0),
      ],
      args: [
        id,
        current === undefined ? "" : String(current.version),
        next === undefined ? "" : String(next.version),
        next === undefined ? "" : JSON.stringify(next),
        current === undefined ? "" : String(keptSeconds(current.definition, historyTtlSeconds)),
        documents.kind === "RedisJSON" ? "1" : "",
        String(COUNTER_TTL_SECONDS),
        ...routes.map(({ method, shape }) => `${method} ${shape}`),
      ],
    });
  }
}

/** The routes that the script named, with their owners. */
function takenRoutes(
  answer: readonly (string | number)[],
  routes: readonly WebhookRoute[],
): (WebhookRoute & { owner: string })[] {
  const taken: (WebhookRoute & { owner: string })[] = [];
  for (let i = 0; i + 1 < answer.length; i += 2) {
    taken.push({ ...routes[Number(answer[i]) - 1]!, owner: String(answer[i + 1]) });
  }
  return taken;
}
