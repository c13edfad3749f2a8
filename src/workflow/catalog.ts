/**
 * A cache of compiled workflows, kept up to date with the store, with a matcher for their webhooks.
 *
 * 1. `#newest` holds the newest version of each workflow that compiles; it changes by `#replace` only, which drops the
 *    matcher, so that a match never sees an old set.
 * 2. A version never goes back: what was read before a `put` of this process cannot undo it.
 * 3. Refreshes run one after another, so that the last one decides.
 */
import { LRUCache } from "lru-cache";
import { MillraceError } from "../lib/errors.ts";
import type { PutOptions, WorkflowStore } from "./workflow_store.ts";
import type { RunLocked } from "./node_lock.ts";
import type { TakeTurn } from "./node_rate_limit.ts";
import type { NodeTypes } from "./node_type.ts";
import { checkWorkflowId, compileDefinition, compileWorkflow, webhookRoutes, withVersion } from "./compile.ts";
import type { CompiledWorkflow, StoredWorkflow } from "./definition.ts";
import type { ExpressionLimits } from "../expression/expression.ts";
import { WebhookMatcher } from "./webhook_matcher.ts";

/** Options of a {@linkcode WorkflowCatalog}. */
export interface WorkflowCatalogOptions {
  /** Where definitions are stored. Required. */
  readonly store: WorkflowStore;
  /** Node types that definitions may use. Required. */
  readonly nodeTypes: NodeTypes;
  /** Limits of expressions. Default those of `ExpressionLimits`. */
  readonly limits?: ExpressionLimits;
  /** Characters of JSON, about, of the largest value that a template may make. Default 16 Mi. */
  readonly maxOutputBytes?: number;
  /** Runs nodes under their locks. Absent: they run without. */
  readonly runLocked?: RunLocked;
  /** Takes turns for the calls of nodes that have a rate limit. Absent: nobody waits for one. */
  readonly takeTurn?: TakeTurn;
  /** Number of older versions that stay compiled. Default 1000. */
  readonly maxVersions?: number;
  /** Called with errors of background work, such as a stored definition that no longer compiles. Default none. */
  readonly onError?: (error: unknown) => void;
}

/** How many definitions are read from the store at the same time. */
const READERS = 32;

/** A cache of compiled workflows over a `WorkflowStore`. */
export class WorkflowCatalog {
  readonly #store: WorkflowStore;
  readonly #options: WorkflowCatalogOptions;
  readonly #newest = new Map<string, CompiledWorkflow>();
  /** Older versions by `<id>@<version>`. */
  readonly #older: LRUCache<string, CompiledWorkflow>;
  readonly #loading = new Map<string, Promise<CompiledWorkflow | undefined>>();
  /** What was stored when a newest version was reported not to compile, by workflow. */
  readonly #reported = new Map<string, string>();
  #matcher: WebhookMatcher | undefined;
  #list: readonly CompiledWorkflow[] | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  readonly #listeners: ((id: string) => void)[] = [];

  constructor(options: WorkflowCatalogOptions) {
    this.#store = options.store;
    this.#options = options;
    this.#older = new LRUCache({ max: options.maxVersions ?? 1000 });
  }

  /** Loads everything and starts to listen for changes. Rejects if the store cannot be read. */
  async start(): Promise<void> {
    this.#store.onChange((id) => void this.#refresh(id).catch((error: unknown) => this.#options.onError?.(error)));
    await this.#refresh(undefined);
  }

  /**
   * The newest version, or the one named; from the store where it is not at hand. Throws `InvalidWorkflowError` if
   * this release no longer takes the stored definition.
   */
  async get(id: string, version?: number): Promise<CompiledWorkflow | undefined> {
    const newest = this.#newest.get(id);
    if (newest !== undefined && (version === undefined || version === newest.version)) return newest;
    const key = version === undefined ? id : `${id}@${version}`;
    const older = this.#older.get(key);
    if (older !== undefined) return older;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(id, version).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return await loading;
  }

  /** The newest version in the store, which this instance may not have heard of yet. Throws as {@linkcode WorkflowCatalog.get}. */
  async newest(id: string): Promise<CompiledWorkflow | undefined> {
    await this.#refresh(id);
    return await this.get(id);
  }

  /**
   * Finds the active workflow whose webhook takes this method and path (without leading slash, still
   * percent-encoded). `allow` names the methods of a known path that does not take this one.
   */
  matchWebhook(method: string, path: string): ReturnType<WebhookMatcher["match"]> {
    this.#matcher ??= new WebhookMatcher(this.#newest.values());
    return this.#matcher.match(method, path);
  }

  /**
   * Checks raw JSON, stores it as the next version and makes it this instance's newest one before it returns.
   * Throws `InvalidWorkflowError` with every fault, `version_mismatch` or `webhook_path_taken`.
   */
  async put(
    id: string,
    definition: unknown,
    options: PutOptions = {},
  ): Promise<{ workflow: CompiledWorkflow; created: boolean }> {
    checkWorkflowId(id);
    const compiled = compileDefinition(definition, { ...this.#options, isNew: true });
    const routes = webhookRoutes(compiled);
    const { workflow: stored, created } = await this.#store.put(id, compiled.definition, { routes, ...options });
    const workflow = withVersion(compiled, stored);
    this.#replace(workflow);
    return { workflow, created };
  }

  /**
   * Compiles raw JSON as a version 0 of a workflow, which is stored nowhere: what {@linkcode WorkflowCatalog.put} would
   * refuse is refused here. Throws `InvalidWorkflowError`.
   */
  compile(id: string, definition: unknown): CompiledWorkflow {
    const compiled = compileDefinition(definition, { ...this.#options, isNew: true });
    return withVersion(compiled, { id, version: 0, updatedAt: 0 });
  }

  /**
   * Checks raw JSON that came with an imported execution and keeps it as a version under an id of its own, which begins
   * with `IMPORT_PREFIX`. Throws `InvalidWorkflowError`.
   */
  async keepImported(workflow: StoredWorkflow, options: { ttlSeconds: number }): Promise<void> {
    const { definition } = compileDefinition(workflow.definition, this.#options);
    await this.#store.keepImported({ ...workflow, definition }, options);
  }

  /** False if there is no such workflow. Throws `version_mismatch`. */
  async delete(id: string, options: { ifMatch?: number | "*" } = {}): Promise<boolean> {
    const deleted = await this.#store.delete(id, options);
    // Invariant 3: a refresh that began before must not bring it back.
    await this.#refresh(id);
    return deleted;
  }

  /** The newest version of each workflow, in the order of their ids. */
  list(): readonly CompiledWorkflow[] {
    this.#list ??= [...this.#newest.values()].sort((a, b) => a.id < b.id ? -1 : 1);
    return this.#list;
  }

  /** Calls back with the id of each workflow whose newest version is another one, or gone, as soon as this process knows. */
  onChange(listener: (id: string) => void): void {
    this.#listeners.push(listener);
  }

  async #load(id: string, version: number | undefined): Promise<CompiledWorkflow | undefined> {
    const stored = await this.#store.get(id, version);
    if (stored === undefined) return undefined;
    const workflow = compileWorkflow(stored, this.#options);
    if (version === undefined) this.#replace(workflow);
    else this.#keepOlder(workflow);
    return workflow;
  }

  /** Refreshes one workflow from the store, or all; invariant 3. */
  #refresh(id: string | undefined): Promise<void> {
    const refreshed = this.#refreshing.then(() => id === undefined ? this.#refreshAll() : this.#refreshOne(id));
    this.#refreshing = refreshed.catch(() => {});
    return refreshed;
  }

  async #refreshAll(): Promise<void> {
    const known = new Set(this.#newest.keys());
    const stored = await this.#store.list();
    for (const { id } of stored) known.delete(id);
    for (const id of known) await this.#refreshOne(id);
    const changed = stored.filter(({ id, version }) => this.#newest.get(id)?.version !== version);
    const next = changed.values();
    await Promise.all(Array.from({ length: READERS }, async () => {
      for (const { id } of next) await this.#refreshOne(id);
    }));
  }

  async #refreshOne(id: string): Promise<void> {
    const before = this.#newest.get(id);
    const stored = await this.#store.get(id);
    // Invariant 2: a put of this process came in between.
    if (this.#newest.get(id) !== before) return await this.#refreshOne(id);
    if (stored === undefined) {
      this.#reported.delete(id);
      return this.#remove(id);
    }
    if (before?.version === stored.version && before.updatedAt === stored.updatedAt) return;
    // Deleted and made again: what is cached of its first life has the same names.
    if (before !== undefined && before.version >= stored.version) this.#remove(id);
    try {
      this.#replace(compileWorkflow(stored, this.#options));
    } catch (error) {
      // Another release stored what this one cannot run: it must not run the version before instead.
      this.#remove(id);
      const what = `${stored.version} ${stored.updatedAt}`;
      if (this.#reported.get(id) === what) return;
      this.#reported.set(id, what);
      const message = `Cannot compile version ${stored.version} of the workflow "${id}"`;
      this.#options.onError?.(new MillraceError("invalid_workflow", message, { cause: error }));
    }
  }

  #replace(workflow: CompiledWorkflow): void {
    const before = this.#newest.get(workflow.id);
    // Invariant 2.
    if (before !== undefined && before.version > workflow.version && before.updatedAt >= workflow.updatedAt) return;
    if (before !== undefined) this.#keepOlder(before);
    this.#newest.set(workflow.id, workflow);
    this.#changed(workflow.id);
  }

  #remove(id: string): void {
    if (this.#newest.delete(id)) this.#changed(id);
    for (const key of this.#older.keys()) if (key.startsWith(`${id}@`)) this.#older.delete(key);
  }

  #keepOlder(workflow: CompiledWorkflow): void {
    this.#older.set(`${workflow.id}@${workflow.version}`, workflow);
  }

  #changed(id: string): void {
    this.#matcher = undefined;
    this.#list = undefined;
    for (const listener of this.#listeners) listener(id);
  }
}
