/**
 * Nodes that run under a lock, one at a time for each of its names, whoever runs them: `lock` of a node.
 */
import { TerminalError } from "../lib/errors.ts";
import type { Template } from "../expression/scope.ts";
import type { NodeResult, NodeRun, NodeWait } from "./definition.ts";
import { contextWith } from "./node_context.ts";

/** A lock that a node runs under. */
export interface NodeLock {
  /** A template: one node at a time for each of its values, of any workflow; `/api/locks/<name>` is the same lock. */
  name: string;
  /** Time after which the lock of a worker that died is free, in seconds. Default 30. */
  ttlSeconds: number;
  /** Longest wait for the lock, in seconds; past it the node fails, and may be retried. Default 30. */
  waitSeconds: number;
}

/** How a lock is asked for. */
export interface RunLockedOptions {
  /** How long the lock is held without a renewal, in milliseconds. */
  readonly ttlMs: number;
  /** How long to wait for it, in milliseconds. */
  readonly waitMs: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** Does work while a lock is held; its signal aborts with the one that was given, and when the lock is lost. */
export type RunLocked = <T>(
  name: string,
  options: RunLockedOptions,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

/** Makes a node's function take a lock first. */
export function lockedRun(
  run: NodeRun,
  { lock, name, runLocked }: { lock: NodeLock; name: Template; runLocked: RunLocked },
): NodeRun {
  // Whole milliseconds, as leases have: 1.001 s are 1000.9999999999999 ms.
  const times = { ttlMs: Math.round(lock.ttlSeconds * 1000), waitMs: Math.round(lock.waitSeconds * 1000) };
  return async function runUnderLock(context): Promise<NodeResult | NodeWait> {
    if (context.isStub) return await run(context);
    const value = await name(context.scope);
    if ((typeof value !== "string" || value === "") && typeof value !== "number") {
      throw new TerminalError("invalid_lock", "The name of the node's lock is no text");
    }
    const { signal } = context;
    const work = async (signal: AbortSignal) => await run(contextWith(context, { signal }));
    return await runLocked(String(value), { ...times, signal }, work);
  };
}
