/**
 * The memory driver's imported executions: they lie among those that have ended.
 */
import { processClock } from "../../lib/clock.ts";
import type { ImportedExecution, Imports } from "../../execution/imports.ts";
import { keep, keepEvent, sizeOf } from "./kept.ts";
import { type MemoryExecution, type MemoryState, sumOf } from "./state.ts";

/** {@linkcode Imports} in memory. */
export class MemoryImports implements Imports {
  readonly #state: MemoryState;

  constructor(state: MemoryState) {
    this.#state = state;
  }

  // `async`, so that a refusal is a rejection; nothing is awaited, so that an import is one step.
  // deno-lint-ignore require-await
  async put(imported: ImportedExecution, { ttlSeconds }: { ttlSeconds: number }): Promise<boolean> {
    const { executionId, workflowId, version, status, trigger, requestedAt, endedAt, events, result } = imported;
    const { retention, executions, listed } = this.#state;
    if (this.#state.find(executionId) !== undefined) return false;
    const kept = Array.from(events, (event) => keepEvent(event, event.id));
    const value = keep(JSON.stringify(result));
    const bytes = sumOf(kept) + sizeOf(value);
    retention.admit(bytes);
    const expiresAt = processClock.now() + ttlSeconds * 1000;
    const bounds = { resultTtlSeconds: ttlSeconds, historyTtlSeconds: ttlSeconds, timeoutMs: 0 };
    const execution: MemoryExecution = {
      request: { executionId, workflowId, version, trigger, ...bounds },
      requestedAt,
      events: kept,
      status,
      place: "ended",
      epoch: 1,
      sequence: kept.length,
      writer: 0,
      deliveries: 0,
      bytes: 0,
      logBytes: sumOf(kept),
      endedAt,
      result: { value, expiresAt },
      expiresAt,
      imported: true,
    };
    executions.set(executionId, execution);
    listed.add(executionId);
    retention.grow(execution, bytes);
    retention.ended(execution);
    return true;
  }
}
