/**
 * The port of the archive: where ended executions are kept for long, and read from once the store has let them go.
 *
 * @example
 * ```ts
 * await archive.store([executionId], chunks);
 * for await (const page of archive.pages(executionId)) console.log(page.length);
 * ```
 */
import type { ExecutionMeta, ReadOptions, WaitOptions } from "../execution/log.ts";
import type { ExecutionResult } from "../execution/result.ts";
import type { StoredEvent } from "../execution/event.ts";
import type { NodeErrorData } from "../lib/errors.ts";
import type { StoredWorkflow } from "../workflow/definition.ts";
import type { ExecutionPage } from "./projections.ts";
import type { SearchOptions } from "./search_executions.ts";

/** An ended execution without its log. Times are epoch milliseconds. */
export interface ArchivedExecution extends ExecutionMeta {
  readonly endedAt: number;
  /** What `settings.tags` made of it at its start. */
  readonly tags: Readonly<Record<string, string>>;
  readonly error?: NodeErrorData;
  /** The node whose output is the execution's. */
  readonly lastNode?: string;
  /** The node whose output is the response in its result. */
  readonly responseNode?: string;
}

/** A piece of a log: events as lines of JSON, in their order. */
export interface LogPart {
  readonly executionId: string;
  /** Counts from 0 within a log. */
  readonly part: number;
  readonly lines: readonly string[];
  /** The id of its last event. */
  readonly lastId: string;
}

/** A value that is too large to stand in its line. */
export interface ArchivedValue {
  readonly executionId: string;
  /** Of the node whose output it is. */
  readonly name: string;
  readonly json: string;
}

/** What is stored at once, bounded in bytes: the parts of a log come before, or with, its execution. */
export interface ArchiveChunk {
  readonly executions: readonly ArchivedExecution[];
  readonly parts: readonly LogPart[];
  readonly values: readonly ArchivedValue[];
}

/** What is purged: requested before `to`, and `from` then on, in epoch milliseconds. */
export type PurgeOptions = Pick<SearchOptions, "from" | "workflowId"> & { readonly to: number };

/** How the archive is. */
export interface ArchiveHealth {
  readonly status: "up" | "down";
  /** Milliseconds of one round trip. */
  readonly latency?: number;
  readonly detail?: string;
}

/** Where ended executions are kept. Every call that reads or writes throws `unavailable` while it is away. */
export interface Archive {
  /** True once it takes what is stored; false after `timeoutMs`, or on abort. */
  whenReady(options: WaitOptions & { timeoutMs: number }): Promise<boolean>;
  /**
   * Stores all chunks or none, in one transaction; what is there already stays as it is, and is not counted again.
   * Throws {@linkcode ArchiveRefusedError}.
   *
   * @param executionIds those that the chunks may have
   */
  store(executionIds: readonly string[], chunks: AsyncIterable<ArchiveChunk>): Promise<void>;
  /** Keeps a version of a workflow for those who read its executions. */
  storeWorkflow(workflow: StoredWorkflow): Promise<void>;
  /** A version of a workflow that archived executions ran with. */
  workflow(id: string, version: number): Promise<StoredWorkflow | undefined>;
  meta(executionId: string): Promise<ExecutionMeta | undefined>;
  /** As `ExecutionLog.pages`. */
  pages(executionId: string, options?: ReadOptions): AsyncIterable<StoredEvent[]>;
  /** The result, made of the log. */
  result(executionId: string): Promise<ExecutionResult | undefined>;
  /** A page of executions, newest first. */
  list(options: SearchOptions): Promise<ExecutionPage>;
  /** Deletes executions for some seconds; `done` is false when there is more. */
  purge(options: PurgeOptions): Promise<{ purged: number; done: boolean }>;
  health(): Promise<ArchiveHealth>;
}

/** The archive cannot keep this, and never will: sent again it is refused again. */
export class ArchiveRefusedError extends Error {
  override readonly name = "ArchiveRefusedError";
}
