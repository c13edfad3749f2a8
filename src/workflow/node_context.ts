/**
 * What a node is given, with some of it in another's place.
 */
import type { NodeContext } from "./definition.ts";

/** A context with these parts; its getters are read now. */
export function contextWith(
  context: NodeContext,
  parts: Partial<Pick<NodeContext, "signal" | "beforeCall">>,
): NodeContext {
  const { scope, nodeId, attempt, waitedUntil, inlineWaitMs, progress, now, idempotencyKey, traceparent } = context;
  const { signal = context.signal, beforeCall = context.beforeCall } = parts;
  return {
    scope,
    nodeId,
    attempt,
    progress,
    now,
    signal,
    idempotencyKey,
    traceparent,
    ...(waitedUntil !== undefined && { waitedUntil }),
    ...(inlineWaitMs !== undefined && { inlineWaitMs }),
    ...(beforeCall !== undefined && { beforeCall }),
  };
}
