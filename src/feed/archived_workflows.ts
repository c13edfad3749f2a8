/**
 * Versions of workflows with the archive behind them: archived executions are read with the version they ran with.
 */
import { UnavailableError } from "../lib/errors.ts";
import { overlay } from "../lib/overlay.ts";
import type { WorkflowStore } from "../workflow/workflow_store.ts";
import type { Archive } from "./archive.ts";

/** The store of workflows; versions that it no longer has are read from the archive, if that is available. */
export function archivedWorkflows(store: WorkflowStore, archive: Pick<Archive, "workflow">): WorkflowStore {
  return overlay(store, {
    async get(id, version) {
      const stored = await store.get(id, version);
      if (stored !== undefined || version === undefined) return stored;
      return await archive.workflow(id, version).catch((error: unknown) => {
        if (error instanceof UnavailableError) return undefined;
        throw error;
      });
    },
  });
}
