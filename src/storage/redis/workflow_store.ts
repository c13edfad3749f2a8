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
import { pause } from "../../lib/delay.ts";
import { UnavailableError } from "../../lib/errors.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Documents } from "./connection/documents.ts";
import type { Keys } from "./keys.ts";
import { type PutReply, putWorkflow } from "./scripts/put_workflow.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../../workflow/definition.ts";
import type { PutOptions, WebhookRoute, WorkflowStore } from "../../workflow/workflow_store.ts";
import {
  checkMatch,
  COUNTER_TTL_SECONDS,
  keptSeconds,
  PathTakenError,
  sameDefinition,
} from "../../workflow/store_rules.ts";

/** How many times a change is tried while others change the same workflow. */
const MOST_TRIES = 100;
/** The longest random pause before the third and each later try, in milliseconds. */
const PAUSE_MS = 20;

/** What the store is made of. */
export interface RedisWorkflowStoreOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** How definitions are kept. */
  readonly documents: Documents;
  /** How long a version is kept after another has taken its place, in seconds, besides its timeout. */
  readonly historyTtlSeconds: number;
}

/** {@linkcode WorkflowStore} on Redis. */
export class RedisWorkflowStore implements WorkflowStore {
  readonly #options: RedisWorkflowStoreOptions;
  readonly #listeners: ((id: string | undefined) => void)[] = [];

  constructor(options: RedisWorkflowStoreOptions) {
    this.#options = options;
  }

  async put(
    id: string,
    definition: WorkflowDefinition,
    options: PutOptions & { routes: readonly WebhookRoute[] },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }> {
    return await tryUntilDone(id, async () => {
      const current = await this.get(id);
      checkMatch(id, current?.version, options);
      if (current !== undefined && sameDefinition(current.definition, definition)) {
        return { workflow: current, created: false };
      }
      const counter = await this.#options.commands.send<string | null>(["GET", this.#options.keys.workflowCounter(id)]);
      const version = Math.max(Number(counter ?? 0), current?.version ?? 0) + 1;
      const workflow: StoredWorkflow = {
        ...{ id, version, definition, updatedAt: this.#options.clock.now() },
        ...(options.changedBy !== undefined && { changedBy: options.changedBy }),
      };
      const answer = await this.#change(id, { current, next: workflow, routes: options.routes });
      if (answer === "ok") return { workflow, created: current === undefined };
      if (Array.isArray(answer)) throw new PathTakenError(takenRoutes(answer, options.routes));
      return undefined;
    });
  }

  async get(id: string, version?: number): Promise<StoredWorkflow | undefined> {
    const { keys, commands, documents } = this.#options;
    if (version === undefined) return await documents.get<StoredWorkflow>(keys.workflow(id));
    const text = await commands.send<string | null>(["GET", keys.workflowVersion(id, version)]);
    return text === null ? undefined : JSON.parse(text);
  }

  async keepImported(workflow: StoredWorkflow, { ttlSeconds }: { ttlSeconds: number }): Promise<void> {
    const { keys, commands } = this.#options;
    const name = keys.workflowVersion(workflow.id, workflow.version);
    await commands.send(["SET", name, JSON.stringify(workflow), "NX", "EX", String(ttlSeconds)]);
    await commands.send(["EXPIRE", name, String(ttlSeconds), "GT"]);
  }

  async list(): Promise<{ id: string; version: number }[]> {
    const { keys, commands } = this.#options;
    const words = await commands.send<string[]>(["HGETALL", keys.workflows()]);
    const found: { id: string; version: number }[] = [];
    for (let i = 0; i + 1 < words.length; i += 2) found.push({ id: words[i]!, version: Number(words[i + 1]) });
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async delete(id: string, options: { ifMatch?: number | "*" } = {}): Promise<boolean> {
    return await tryUntilDone(id, async () => {
      const current = await this.get(id);
      if (current === undefined && options.ifMatch === undefined) return false;
      checkMatch(id, current?.version, options);
      return await this.#change(id, { current, next: undefined, routes: [] }) === "ok" ? true : undefined;
    });
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
  ): Promise<PutReply> {
    const { keys, commands, documents, historyTtlSeconds } = this.#options;
    return putWorkflow(commands, {
      keys: {
        workflows: keys.workflows(),
        webhooks: keys.webhooks(),
        counter: keys.workflowCounter(id),
        document: keys.workflow(id),
        previous: keys.workflowVersion(id, current?.version ?? 0),
        control: keys.control(),
        version: keys.workflowVersion(id, next?.version ?? 0),
      },
      workflowId: id,
      ...(current === undefined ? {} : {
        current: { version: current.version, ttlSeconds: keptSeconds(current.definition, historyTtlSeconds) },
      }),
      ...(next === undefined ? {} : { next: { version: next.version, document: JSON.stringify(next) } }),
      asJson: documents.kind === "RedisJSON",
      counterTtlSeconds: COUNTER_TTL_SECONDS,
      routes: routes.map(({ method, shape }) => `${method} ${shape}`),
    });
  }
}

/** Tries a change again while it comes to `undefined`: others changed the workflow in between. */
async function tryUntilDone<T>(id: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    if (tries > 2) await pause(Math.random() * PAUSE_MS);
    const done = await attempt();
    if (done !== undefined) return done;
  }
  const message = `The workflow "${id}" was changed by others ${MOST_TRIES} times`;
  throw new UnavailableError(message, { mayHaveHappened: false });
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
