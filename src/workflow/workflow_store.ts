/**
 * The port of the workflow store: definitions and their versions.
 */
import type { StoredWorkflow, WorkflowDefinition } from "./definition.ts";

/** A webhook route that a definition claims: no request may match routes of two workflows. */
export interface WebhookRoute {
  readonly method: string;
  /** The path with each `:name` as `:`. */
  readonly shape: string;
  /** JSON pointer to the node's path, for the fault. */
  readonly pointer: string;
}

/**
 * What the ids of workflows that came with imported executions begin with, the execution's id after it: no workflow
 * that is PUT can be called so.
 */
export const IMPORT_PREFIX = "import:";

/** What goes with a definition that is put. */
export interface PutOptions {
  /** The version that must be there; `*`: any. Default: any, or none. */
  readonly ifMatch?: number | "*";
  /** None must be there. Default: any may be. */
  readonly ifNoneMatch?: "*";
  /** The name of the API token that changes it. Default none. */
  readonly changedBy?: string | undefined;
}

/** Keeps definitions and their versions. */
export interface WorkflowStore {
  /**
   * Stores a definition as the next version; the same definition again makes no new version. Throws `version_mismatch` or `webhook_path_taken` (`errors` names each).
   */
  put(
    id: string,
    definition: WorkflowDefinition,
    options: PutOptions & { routes: readonly WebhookRoute[] },
  ): Promise<{ workflow: StoredWorkflow; created: boolean }>;
  /** The newest version, or the one named. */
  get(id: string, version?: number): Promise<StoredWorkflow | undefined>;
  /**
   * Keeps one version under an id that begins with {@linkcode IMPORT_PREFIX}, for `ttlSeconds` at least from now on; it
   * is found by its version only, and in no list. Keeping it again only lengthens its time.
   */
  keepImported(workflow: StoredWorkflow, options: { ttlSeconds: number }): Promise<void>;
  /** The ids of all workflows, in order, with their newest versions. */
  list(): Promise<{ id: string; version: number }[]>;
  /** False if it did not exist. Throws `version_mismatch`. */
  delete(id: string, options?: { ifMatch?: number | "*" }): Promise<boolean>;
  /**
   * Calls back with the id of each workflow that any process changed; with `undefined` when changes may have been
   * missed.
   */
  onChange(listener: (id: string | undefined) => void): void;
}
