/**
 * The memory driver's definitions: every version in one map.
 */
import type { StoredWorkflow, WorkflowDefinition } from "../../workflow/definition.ts";
import type { WebhookRoute, WorkflowStore } from "../port.ts";
import { checkMatch, pathTaken, sameDefinition } from "../workflow_rules.ts";

/** {@linkcode WorkflowStore} in memory. */
export class MemoryWorkflowStore implements WorkflowStore {
  /** Every version, the newest last; a deleted workflow keeps its versions. */
  readonly #versions = new Map<string, StoredWorkflow[]>();
  readonly #live = new Set<string>();
  readonly #routes = new Map<string, string>();
  readonly #listeners: ((id: string | undefined) => void)[] = [];

  put(
    id: string,
    definition: WorkflowDefinition,
    options: { routes: readonly WebhookRoute[]; ifMatch?: number | "*"; ifNoneMatch?: "*" },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }> {
    return new Promise((resolve) => {
      const versions = this.#versions.get(id) ?? [];
      const current = this.#live.has(id) ? versions.at(-1) : undefined;
      checkMatch(id, current?.version, options);
      const taken = options.routes.flatMap((route) => {
        const owner = this.#routes.get(`${route.method} ${route.shape}`);
        return owner === undefined || owner === id ? [] : [{ ...route, owner }];
      });
      if (taken.length > 0) throw pathTaken(taken);
      if (current !== undefined && sameDefinition(current.definition, definition)) {
        return resolve({ workflow: current, created: false });
      }
      const version = (versions.at(-1)?.version ?? 0) + 1;
      const workflow: StoredWorkflow = { id, version, definition: structuredClone(definition), updatedAt: Date.now() };
      this.#versions.set(id, [...versions, workflow].slice(-100));
      this.#live.add(id);
      this.#dropRoutes(id);
      for (const route of options.routes) this.#routes.set(`${route.method} ${route.shape}`, id);
      this.#changed(id);
      resolve({ workflow, created: current === undefined });
    });
  }

  get(id: string, version?: number): Promise<StoredWorkflow | undefined> {
    const versions = this.#versions.get(id) ?? [];
    if (version !== undefined) return Promise.resolve(versions.find((workflow) => workflow.version === version));
    return Promise.resolve(this.#live.has(id) ? versions.at(-1) : undefined);
  }

  list(): Promise<{ id: string; version: number }[]> {
    const ids = [...this.#live].sort();
    return Promise.resolve(ids.map((id) => ({ id, version: this.#versions.get(id)!.at(-1)!.version })));
  }

  delete(id: string, options: { ifMatch?: number | "*" } = {}): Promise<boolean> {
    return new Promise((resolve) => {
      const current = this.#live.has(id) ? this.#versions.get(id)?.at(-1) : undefined;
      if (current === undefined && options.ifMatch === undefined) return resolve(false);
      checkMatch(id, current?.version, options);
      this.#live.delete(id);
      this.#dropRoutes(id);
      this.#changed(id);
      resolve(true);
    });
  }

  onChange(listener: (id: string | undefined) => void): void {
    this.#listeners.push(listener);
  }

  #dropRoutes(id: string): void {
    for (const [route, owner] of this.#routes) if (owner === id) this.#routes.delete(route);
  }

  #changed(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}
