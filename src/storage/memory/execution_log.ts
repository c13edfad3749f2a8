/**
 * The memory driver's log: one process, no server; the same promises for as long as the process lives.
 */
import { processClock } from "../../lib/clock.ts";
import { compareEntryIds } from "../../lib/entry_id.ts";
import { isEnded, type StoredEvent } from "../../execution/event.ts";
import type { Acceptance, ExecutionRequest } from "../../execution/request.ts";
import {
  type ExecutionLog,
  type ExecutionMeta,
  PAGE_BYTES,
  type PauseOutcome,
  type ReadOptions,
  type WaitOptions,
} from "../../execution/log.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { restoreEvent, textOf } from "./kept.ts";
import type { MemoryRequests } from "./requests.ts";
import { indexAfter, type MemoryExecution, type MemoryState } from "./state.ts";

/** Largest page, in events. */
const PAGE = 1000;

/** Options of a {@linkcode MemoryLog}. */
export interface MemoryLogOptions {
  /** The executions in memory. */
  readonly state: MemoryState;
  /** The queue of what is to run. */
  readonly dispatcher: Dispatcher;
  /** Accepts requests. */
  readonly requests: MemoryRequests;
}

/** {@linkcode ExecutionLog} in memory. */
export class MemoryLog implements ExecutionLog {
  readonly #state: MemoryState;
  readonly #dispatcher: Dispatcher;
  readonly #requests: MemoryRequests;

  constructor(options: MemoryLogOptions) {
    this.#state = options.state;
    this.#dispatcher = options.dispatcher;
    this.#requests = options.requests;
  }

  makeId(): string {
    return this.#requests.makeId();
  }

  request(request: ExecutionRequest): Promise<Acceptance> {
    return this.#requests.request(request);
  }

  meta(executionId: string): Promise<ExecutionMeta | undefined> {
    const execution = this.#state.find(executionId);
    return Promise.resolve(execution && metaOf(execution));
  }

  async *pages(executionId: string, options: ReadOptions = {}): AsyncIterable<StoredEvent[]> {
    const { after, limit = Infinity, values = true } = options;
    const events = this.#state.find(executionId)?.events ?? [];
    let from = indexAfter(events, after);
    for (const end = Math.min(events.length, from + limit); from < end;) {
      const page: StoredEvent[] = [];
      for (let bytes = 0; from < end && bytes <= PAGE_BYTES && page.length < PAGE; from++) {
        const event = events[from]!;
        page.push(restoreEvent(event, { values }));
        bytes += event.bytes;
      }
      yield page;
    }
  }

  async read(executionId: string, options: ReadOptions = {}): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const page of this.pages(executionId, options)) events.push(...page);
    return events;
  }

  async *tail(
    executionId: string,
    options: WaitOptions & Omit<ReadOptions, "limit">,
  ): AsyncIterable<StoredEvent> {
    const { signal, values = true, onLoss } = options;
    let after = options.after;
    while (!signal.aborted) {
      const execution = this.#state.find(executionId);
      if (execution === undefined) return;
      const lastId = execution.events.at(-1)?.id;
      if (after !== undefined && lastId !== undefined && compareEntryIds(lastId, after) < 0) {
        if (isEnded(execution.status)) return;
        after = lastId;
        onLoss?.();
      }
      const events = execution.events.slice(indexAfter(execution.events, after));
      if (events.length === 0) {
        if (isEnded(execution.status)) return;
        await this.#state.change(executionId, { signal });
      }
      for (const event of events) {
        yield restoreEvent(event, { values });
        after = event.id;
        if (signal.aborted) return;
      }
    }
  }

  result(executionId: string): Promise<ExecutionResult | undefined> {
    const result = this.#state.find(executionId)?.result;
    return Promise.resolve(
      result !== undefined && result.expiresAt > processClock.now() ? JSON.parse(textOf(result.value)) : undefined,
    );
  }

  cancel(executionId: string, options: { reason?: string } = {}): Promise<boolean> {
    const execution = this.#state.find(executionId);
    return Promise.resolve(execution !== undefined && this.#dispatcher.cancel(execution, { ...options }));
  }

  pause(executionId: string): Promise<PauseOutcome> {
    return Promise.resolve(this.#setPaused(executionId, true));
  }

  resume(executionId: string): Promise<PauseOutcome> {
    return Promise.resolve(this.#setPaused(executionId, false));
  }

  #setPaused(executionId: string, paused: boolean): PauseOutcome {
    const execution = this.#state.find(executionId);
    if (execution === undefined) return "unknown";
    if (isEnded(execution.status)) return "ended";
    if ((execution.status === "paused") === paused) return "unchanged";
    execution.status = paused ? "paused" : "running";
    const type = paused ? "execution.paused" : "execution.resumed";
    this.#state.append(execution, this.#state.keep([{ type, time: processClock.now(), data: {} }]));
    this.#dispatcher.pauseChanged(execution);
    return "done";
  }
}

/** The metadata of an execution, for lists. */
export function metaOf(execution: MemoryExecution): ExecutionMeta {
  const { request: { executionId, workflowId, version }, status, requestedAt, endedAt, forkOf, imported } = execution;
  return {
    executionId,
    workflowId,
    version,
    status,
    requestedAt,
    ...(endedAt !== undefined && { endedAt }),
    ...(forkOf !== undefined && { forkOf }),
    ...(imported && { imported }),
  };
}
