/**
 * The memory driver's log and work queue: one process, no server, the same promises while the process lives.
 */
import { FencedError } from "../../errors.ts";
import { isEnded, type LogEvent, type StoredEvent } from "../event.ts";
import type {
  AppendOptions,
  Claim,
  ExecutionLog,
  ExecutionMeta,
  ExecutionRequest,
  ExecutionResult,
  FinishOptions,
  WaitOptions,
  WorkQueue,
} from "../port.ts";
import { Waiters } from "../waiters.ts";
import { indexAfter, type MemoryExecution, type MemoryState } from "./state.ts";

/** {@linkcode ExecutionLog} and {@linkcode WorkQueue} in memory. */
export class MemoryLog implements ExecutionLog, WorkQueue {
  readonly instance: string;
  readonly #state: MemoryState;
  readonly #waiters: Waiters;
  readonly #lost: ((executionId: string) => void)[] = [];

  constructor(state: MemoryState, options: { instance: string; maxWaiters: number }) {
    this.#state = state;
    this.instance = options.instance;
    this.#waiters = new Waiters({ limit: options.maxWaiters });
  }

  /** How many callers wait for replies. */
  get waiting(): number {
    return this.#waiters.size;
  }

  request(request: ExecutionRequest): Promise<void> {
    const { executionId, workflowId, version, trigger, replyTo, replyEarly = false } = request;
    if (this.#state.find(executionId) !== undefined) return Promise.resolve();
    const requestedAt = Date.now();
    const input = structuredClone(request.input);
    const execution: MemoryExecution = { request, requestedAt, events: [], status: "pending", epoch: 1 };
    this.#state.executions.set(executionId, execution);
    const data = { workflowId, version, trigger, input };
    this.#state.append(execution, [{ type: "execution.requested", time: requestedAt, data }]);
    this.#state.work.push({
      executionId,
      workflowId,
      version,
      trigger,
      epoch: 1,
      entryId: this.#state.nextId(),
      replyEarly,
      requestedAt,
      input,
      sequence: 1,
      ...(replyTo === undefined ? {} : { replyTo }),
    });
    this.#state.wake("work");
    return Promise.resolve();
  }

  awaitReply(executionId: string, options: WaitOptions & { timeoutMs?: number }): Promise<ExecutionResult> {
    return this.#waiters.wait(executionId, options);
  }

  abandonReply(executionId: string): void {
    this.#waiters.abandon(executionId);
  }

  meta(executionId: string): Promise<ExecutionMeta | undefined> {
    const execution = this.#state.find(executionId);
    return Promise.resolve(execution && metaOf(execution));
  }

  read(executionId: string, options: { after?: string; limit?: number } = {}): Promise<StoredEvent[]> {
    const events = this.#state.find(executionId)?.events ?? [];
    const from = indexAfter(events, options.after);
    return Promise.resolve(events.slice(from, from + (options.limit ?? events.length)));
  }

  async *tail(executionId: string, options: WaitOptions & { after?: string }): AsyncIterable<StoredEvent> {
    const { signal } = options;
    let after = options.after;
    while (!signal.aborted) {
      const execution = this.#state.find(executionId);
      if (execution === undefined) return;
      const events = execution.events.slice(indexAfter(execution.events, after));
      if (events.length === 0) {
        if (isEnded(execution.status)) return;
        await this.#state.change(executionId, { signal });
      }
      for (const event of events) {
        yield event;
        after = event.id;
        if (signal.aborted) return;
      }
    }
  }

  result(executionId: string): Promise<ExecutionResult | undefined> {
    const result = this.#state.find(executionId)?.result;
    return Promise.resolve(result !== undefined && result.expiresAt > Date.now() ? result.value : undefined);
  }

  cancel(executionId: string, options: { reason?: string } = {}): Promise<boolean> {
    const execution = this.#state.find(executionId);
    if (execution === undefined || isEnded(execution.status)) return Promise.resolve(false);
    const { resultTtlSeconds, historyTtlSeconds, replyTo } = execution.request;
    execution.epoch++;
    const index = this.#state.work.findIndex((claim) => claim.executionId === executionId);
    if (index >= 0) this.#state.work.splice(index, 1);
    this.#end(execution, {
      events: [{ type: "execution.cancelled", time: Date.now(), data: { ...options } }],
      result: { executionId, status: "cancelled" },
      resultTtlSeconds,
      historyTtlSeconds,
      ...(replyTo === undefined ? {} : { replyTo }),
    });
    for (const listener of this.#lost) listener(executionId);
    return Promise.resolve(true);
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]> {
    const { work } = this.#state;
    if (work.length === 0) {
      await this.#state.change("work", { signal: options.signal, timeoutMs: options.blockMs });
    }
    return options.signal.aborted ? [] : work.splice(0, options.count);
  }

  append(claim: Claim, options: AppendOptions): Promise<void> {
    return promised(() => {
      const execution = this.#held(claim);
      if (!this.#expect(execution, options)) return;
      execution.status = "running";
      if (options.events.length > 0) this.#state.append(execution, options.events);
      if (options.reply !== undefined) this.#reply(options.reply);
    });
  }

  finish(claim: Claim, options: FinishOptions): Promise<void> {
    return promised(() => {
      const ended = this.#state.find(claim.executionId);
      if (ended !== undefined && isEnded(ended.status) && ended.epoch === claim.epoch) return;
      const execution = this.#held(claim);
      if (!this.#expect(execution, options)) return;
      this.#end(execution, { ...options, ...(claim.replyTo === undefined ? {} : { replyTo: claim.replyTo }) });
    });
  }

  release(claim: Claim): void {
    const execution = this.#state.find(claim.executionId);
    if (execution === undefined || isEnded(execution.status) || execution.epoch !== claim.epoch) return;
    const { input: _input, ...rest } = claim;
    this.#state.work.push({ ...rest, epoch: ++execution.epoch, sequence: undefined });
    this.#state.wake("work");
  }

  onLost(listener: (executionId: string) => void): void {
    this.#lost.push(listener);
  }

  #held(claim: Claim): MemoryExecution {
    const execution = this.#state.find(claim.executionId);
    if (execution === undefined || isEnded(execution.status) || execution.epoch !== claim.epoch) {
      throw new FencedError(`Epoch ${claim.epoch} of ${claim.executionId} is no longer the newest`);
    }
    return execution;
  }

  /** False when this very append is already in the log. */
  #expect(execution: MemoryExecution, { sequence, events }: AppendOptions): boolean {
    if (execution.events.length === sequence) return true;
    if (events.length > 0 && execution.events.length === sequence + events.length) return false;
    throw new FencedError(
      `The log of ${execution.request.executionId} has ${execution.events.length} entries, not ${sequence}`,
    );
  }

  #end(
    execution: MemoryExecution,
    options: Omit<FinishOptions, "sequence"> & { replyTo?: string },
  ): void {
    const now = Date.now();
    const last = options.events.at(-1) as LogEvent;
    execution.status = options.result.status as MemoryExecution["status"];
    execution.endedAt = last.time;
    execution.expiresAt = now + options.historyTtlSeconds * 1000;
    execution.result = { value: options.result, expiresAt: now + options.resultTtlSeconds * 1000 };
    this.#state.append(execution, options.events);
    if (options.replyTo !== undefined) this.#reply(options.result);
  }

  #reply(result: ExecutionResult): void {
    this.#waiters.reply(result);
  }
}

/** What a list shows of an execution. */
export function metaOf(execution: MemoryExecution): ExecutionMeta {
  const { request: { executionId, workflowId, version }, status, requestedAt, endedAt } = execution;
  return { executionId, workflowId, version, status, requestedAt, ...(endedAt === undefined ? {} : { endedAt }) };
}

function promised(work: () => void): Promise<void> {
  return new Promise((resolve) => {
    work();
    resolve();
  });
}
