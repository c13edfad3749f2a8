/**
 * Bundles: one execution as a file of JSON lines, to be inspected and forked in another installation.
 *
 * The first line has the kind `millrace.bundle`. Then follow the `workflow` (the version that ran, if it is known), each
 * `event` of the log with its values, and an `end`, which shows that the file is complete.
 *
 * @example
 * ```jsonl
 * {"kind":"millrace.bundle","format":1,"executionId":"…","workflowId":"orders","version":3,"status":"completed","requestedAt":1,"millrace":"0.1.0","exportedAt":2}
 * {"kind":"workflow","id":"orders","version":3,"updatedAt":1,"definition":{…}}
 * {"kind":"event","id":"1-0","type":"execution.requested","time":1,"data":{…}}
 * {"kind":"end","events":1}
 * ```
 */
import type { ExecutionLog, ExecutionMeta } from "../execution/log.ts";
import type { StoredWorkflow } from "../workflow/definition.ts";

/** The version of the format that is written, and the only one that is read. */
export const BUNDLE_FORMAT = 1;
/** The kind of the first line. */
export const BUNDLE_KIND = "millrace.bundle";
/** The media type of a bundle. */
export const BUNDLE_TYPE = "application/x-ndjson";

/** Options of {@linkcode bundleLines}. */
export interface BundleParts {
  /** The log of the execution. */
  readonly log: Pick<ExecutionLog, "pages">;
  /** What is known of the execution besides its log. */
  readonly meta: ExecutionMeta;
  /** The version that ran, if it is still known. */
  readonly workflow: Pick<StoredWorkflow, "updatedAt" | "definition"> | undefined;
  /** The version of Millrace that writes the bundle. */
  readonly release: string;
  /** The time of the export, in epoch milliseconds. */
  readonly now: number;
}

/** The lines of a bundle, with their line breaks, several in each chunk; the log is read as chunks are requested. */
export async function* bundleLines(parts: BundleParts): AsyncGenerator<string> {
  const { log, meta, workflow, release, now } = parts;
  const { executionId, workflowId, version, status, requestedAt } = meta;
  const head = { kind: BUNDLE_KIND, format: BUNDLE_FORMAT, executionId, workflowId, version, status, requestedAt };
  let lines = toLine({ ...head, millrace: release, exportedAt: now });
  if (workflow !== undefined) {
    const { updatedAt, definition } = workflow;
    // The id that the execution has in its log, even when the version is stored under another one.
    lines += toLine({ kind: "workflow", id: workflowId, version, updatedAt, definition });
  }
  yield lines;
  let events = 0;
  for await (const page of log.pages(executionId)) {
    for (const { id, type, time, node, data } of page) {
      events++;
      yield toLine({ kind: "event", id, type, time, ...(node !== undefined && { node }), data });
    }
  }
  yield toLine({ kind: "end", events });
}

function toLine(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
