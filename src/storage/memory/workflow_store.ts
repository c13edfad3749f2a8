/**
 * The memory driver's workflow store.
 */
import { processClock } from "../../lib/clock.ts";
import type { StoredWorkflow, WorkflowDefinition } from "../../workflow/definition.ts";
import type { PutOptions, WebhookRoute, WorkflowStore } from "../../workflow/workflow_store.ts";
import {
  checkMatch,
  COUNTER_TTL_SECONDS,
  keptSeconds,
  PathTakenError,
  routesMeet,
  sameDefinition,
} from "../../workflow/store_rules.ts";

/** The versions of one workflow. */
interface Entry {
  /** The newest version, unless the workflow was deleted. */
  current: StoredWorkflow | undefined;
  /** The newest version number so far, and the time until which it is remembered without a current version. */
  counter: number;
  counterUntil: number;
  /** Replaced and deleted versions by number, each kept until a time, in milliseconds. */
  readonly replaced: Map<number, { readonly workflow: StoredWorkflow; readonly until: number }>;
}

/** Options of a {@linkcode MemoryWorkflowStore}. */
export interface MemoryWorkflowStoreOptions {
  /** Longest time that the history of executions, and so their versions, are kept, in seconds. Required. */
  readonly historyTtlSeconds: number;
  /** A monotonic clock, in milliseconds. Default `performance.now`. */
  readonly now?: () => number;
}

/** {@linkcode WorkflowStore} in memory. */
export class MemoryWorkflowStore implements WorkflowStore {
  readonly #options: Required<MemoryWorkflowStoreOptions>;
  readonly #entries = new Map<string, Entry>();
  /** By workflow. */
  readonly #routes = new Map<string, readonly WebhookRoute[]>();
  readonly #listeners: ((id: string | undefined) => void)[] = [];

  constructor(options: MemoryWorkflowStoreOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  put(
    id: string,
    definition: WorkflowDefinition,
    options: PutOptions & { routes: readonly WebhookRoute[] },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }> {
    return new Promise((resolve) => {
      const entry = this.#find(id) ?? { current: undefined, counter: 0, counterUntil: 0, replaced: new Map() };
      const { current } = entry;
      checkMatch(id, current?.version, options);
      if (current !== undefined && sameDefinition(current.definition, definition)) {
        return resolve({ workflow: current, created: false });
      }
      const others = this.#others(id);
      const taken = options.routes.flatMap((route) => {
        const owner = others.find((other) => routesMeet(route, other))?.owner;
        return owner === undefined ? [] : [{ ...route, owner }];
      });
      if (taken.length > 0) throw new PathTakenError(taken);
      this.#replace(entry);
      const version = ++entry.counter;
      entry.current = {
        ...{ id, version, definition: structuredClone(definition), updatedAt: processClock.now() },
        ...(options.changedBy !== undefined && { changedBy: options.changedBy }),
      };
      this.#entries.set(id, entry);
      this.#routes.set(id, options.routes);
      this.#changed(id);
      resolve({ workflow: entry.current, created: current === undefined });
    });
  }

  get(id: string, version?: number): Promise<StoredWorkflow | undefined> {
    const entry = this.#find(id);
    const current = entry?.current;
    if (version === undefined || version === current?.version) return Promise.resolve(current);
    return Promise.resolve(entry?.replaced.get(version)?.workflow);
  }

  keepImported(workflow: StoredWorkflow, { ttlSeconds }: { ttlSeconds: number }): Promise<void> {
    const entry = this.#find(workflow.id) ?? { current: undefined, counter: 0, counterUntil: 0, replaced: new Map() };
    const before = entry.replaced.get(workflow.version);
    const until = Math.max(this.#options.now() + ttlSeconds * 1000, before?.until ?? 0);
    entry.replaced.set(workflow.version, { workflow: before?.workflow ?? structuredClone(workflow), until });
    this.#entries.set(workflow.id, entry);
    return Promise.resolve();
  }

  list(): Promise<{ id: string; version: number }[]> {
    const found: { id: string; version: number }[] = [];
    for (const id of [...this.#entries.keys()]) {
      const current = this.#find(id)?.current;
      if (current !== undefined) found.push({ id, version: current.version });
    }
    return Promise.resolve(found.sort((a, b) => a.id < b.id ? -1 : 1));
  }

  delete(id: string, options: { ifMatch?: number | "*" } = {}): Promise<boolean> {
    return new Promise((resolve) => {
      const entry = this.#find(id);
      if (entry?.current === undefined && options.ifMatch === undefined) return resolve(false);
      checkMatch(id, entry?.current?.version, options);
      this.#replace(entry!);
      entry!.counterUntil = this.#options.now() + COUNTER_TTL_SECONDS * 1000;
      this.#routes.delete(id);
      this.#changed(id);
      resolve(true);
    });
  }

  onChange(listener: (id: string | undefined) => void): void {
    this.#listeners.push(listener);
  }

  /** The entry of an id, without what has expired. */
  #find(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const now = this.#options.now();
    for (const [version, { until }] of entry.replaced) if (until <= now) entry.replaced.delete(version);
    if (entry.current !== undefined || entry.counterUntil > now || entry.replaced.size > 0) return entry;
    this.#entries.delete(id);
    return undefined;
  }

  /** Moves the current version to the replaced ones. */
  #replace(entry: Entry): void {
    const { current: workflow } = entry;
    if (workflow === undefined) return;
    const until = this.#options.now() + keptSeconds(workflow.definition, this.#options.historyTtlSeconds) * 1000;
    entry.replaced.set(workflow.version, { workflow, until });
    entry.current = undefined;
  }

  /** The routes of all other workflows. */
  #others(id: string): (Pick<WebhookRoute, "method" | "shape"> & { owner: string })[] {
    return [...this.#routes].filter(([owner]) => owner !== id)
      .flatMap(([owner, routes]) => routes.map(({ method, shape }) => ({ method, shape, owner })));
  }

  #changed(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}
