/**
 * Bundles: one execution as a file of JSON lines, to be looked at and forked elsewhere.
 *
 * The first line is a `millrace.bundle`, then comes the `workflow` (the version that ran, if it is still known), then
 * each `event` of the log with its values, then an `end`, by which one can tell that nothing is missing.
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

/** The format that is written, and the only one that is read. */
export const BUNDLE_FORMAT = 1;
/** What the first line says that it is. */
export const BUNDLE_KIND = "millrace.bundle";
/** The media type of a bundle. */
export const BUNDLE_TYPE = "application/x-ndjson";

/** What a bundle is made of. */
export interface BundleParts {
  /** The log of the execution. */
  readonly log: Pick<ExecutionLog, "pages">;
  /** What is known of the execution besides its log. */
  readonly meta: ExecutionMeta;
  /** The version that ran, if it is still known. */
  readonly workflow: Pick<StoredWorkflow, "updatedAt" | "definition"> | undefined;
  /** The release that writes it. */
  readonly release: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** The lines of a bundle, a few at a time, each with its line break; the log is read as they are asked for. */
export async function* bundleLines(parts: BundleParts): AsyncGenerator<string> {
  const { log, meta, workflow, release, now } = parts;
  const { executionId, workflowId, version, status, requestedAt } = meta;
  const head = { kind: BUNDLE_KIND, format: BUNDLE_FORMAT, executionId, workflowId, version, status, requestedAt };
  let lines = toLine({ ...head, millrace: release, exportedAt: now });
  if (workflow !== undefined) {
    const { updatedAt, definition } = workflow;
    // Under the name that the execution knows it by, wherever it is kept.
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
