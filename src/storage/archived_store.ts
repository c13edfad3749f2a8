/**
 * A store with an archive behind it, as those who read have it. Whoever runs executions works with the store alone, but
 * for the records of forks.
 */
import type { Archive } from "../feed/archive.ts";
import { archivedLog } from "../feed/archived_log.ts";
import { archivedWorkflows } from "../feed/archived_workflows.ts";
import { searchExecutions } from "../feed/search_executions.ts";
import { overlay } from "../lib/overlay.ts";
import type { Store } from "./store.ts";

/** A store, and the archive in which its reads go on. */
export type ArchivedStore = Store & { readonly archive: Archive };

/** The same store, whose log, lists and versions of workflows go on in the archive, and which imports nothing over it. */
export function withArchive(store: Store, archive: Archive): ArchivedStore {
  const { projections, imports } = store;
  const log = archivedLog(store.log, archive);
  return {
    ...store,
    archive,
    log,
    projections: overlay(projections, {
      list: (options) => searchExecutions({ log: store.log, projections, archive }, options),
    }),
    imports: {
      put: async (imported, options) =>
        await log.meta(imported.executionId) === undefined && await imports.put(imported, options),
    },
    workflows: archivedWorkflows(store.workflows, archive),
  };
}
