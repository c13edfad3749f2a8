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

/** The same store, whose log, lists and versions of workflows go on in the archive. */
export function withArchive(store: Store, archive: Archive): ArchivedStore {
  const { log, projections } = store;
  return {
    ...store,
    archive,
    log: archivedLog(log, archive),
    projections: overlay(projections, { list: (options) => searchExecutions({ log, projections, archive }, options) }),
    workflows: archivedWorkflows(store.workflows, archive),
  };
}
