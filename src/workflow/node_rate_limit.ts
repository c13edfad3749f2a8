/**
 * Nodes whose calls are limited, over all instances: `rateLimit` of a node. A call for which there is no room in the window
 * waits for its turn: for a moment in the process, for longer as any wait does, told in the log and left to the store.
 */
import { encodeBase64Url } from "../lib/base64.ts";
import { pause } from "../lib/delay.ts";
import { sha256 } from "../lib/digest.ts";
import { MillraceError, NodeError, RetryableError, TerminalError, UnavailableError } from "../lib/errors.ts";
import type { Template } from "../expression/scope.ts";
import type { NodeContext, NodeResult, NodeRun, NodeWait } from "./definition.ts";
import { contextWith } from "./node_context.ts";

/** How often a node may call out. */
export interface NodeRateLimit {
  /**
   * A template: calls for which it has the same value share a limit, of whatever workflow. Absent: the calls of this node
   * of this workflow do.
   */
  key?: string | undefined;
  /** Calls in any window, 1 to 10,000. */
  limit: number;
  /** Length of the window, in seconds. */
  perSeconds: number;
}

/** A wait that is shorter than this, in milliseconds, is not told. */
const UNTOLD_MS = 250;
/** The wait where the store does not answer, or has no room. */
const AWAY_MS = 1000;

/** Takes a turn for a ticket, or says how many milliseconds to wait before it asks again: its place is kept, or is not. */
export type TakeTurn = (
  name: string,
  limit: Pick<NodeRateLimit, "limit" | "perSeconds">,
  ticket: string,
  options: { keepsPlace: boolean },
) => Promise<{ readonly admitted: boolean; readonly waitMs: number }>;

/** The turn of a call has not come. */
class NotYet extends NodeError {
  readonly waitMs: number;

  constructor(waitMs: number) {
    super("rate_limited", "The turn of the call has not come");
    this.waitMs = waitMs;
  }
}

/** Makes a node's function wait for its turn before it calls out; a redirect belongs to its call. */
export function limitedRun(
  run: NodeRun,
  options: {
    readonly rateLimit: NodeRateLimit;
    readonly key: Template | undefined;
    /** The node's own, which waits count to. */
    readonly timeoutSeconds: number | undefined;
    readonly takeTurn: TakeTurn;
  },
): NodeRun {
  const { rateLimit, timeoutSeconds, takeTurn } = options;
  return async function runInTurn(context): Promise<NodeResult | NodeWait> {
    if (context.isStub) return await run(context);
    const name = await nameOf(options.key, context);
    let taken = false;
    async function beforeCall({ keepsPlace = true } = {}): Promise<void> {
      if (taken) return;
      const { admitted, waitMs } = await takeTurn(name, rateLimit, context.idempotencyKey, { keepsPlace })
        .catch(waitWhileAway);
      if (!admitted) throw new NotYet(waitMs);
      taken = true;
    }
    for (;;) {
      try {
        return await run(contextWith(context, { beforeCall }));
      } catch (error) {
        if (!(error instanceof NotYet)) throw error;
        const until = context.now() + error.waitMs;
        if (timeoutSeconds !== undefined && until > context.scope.now! + timeoutSeconds * 1000) {
          const message = `The turn of the call does not come within ${timeoutSeconds} s`;
          throw new RetryableError("rate_limited", message, {
            detail: `${rateLimit.limit} in ${rateLimit.perSeconds} s`,
          });
        }
        if (error.waitMs >= UNTOLD_MS) return { waitUntil: until };
        await pause(error.waitMs, context.signal);
        context.signal.throwIfAborted();
      }
    }
  };
}

/** While nobody can count the calls, none goes out. */
function waitWhileAway(error: unknown): { admitted: boolean; waitMs: number } {
  if (error instanceof UnavailableError || error instanceof MillraceError) return { admitted: false, waitMs: AWAY_MS };
  throw error;
}

/** Of a fixed length, whatever the key's value. */
async function nameOf(key: Template | undefined, { scope, nodeId }: NodeContext): Promise<string> {
  const value = await key?.(scope);
  if (key !== undefined && (typeof value !== "string" || value === "") && typeof value !== "number") {
    throw new TerminalError("invalid_rate_limit", "The key of the node's rate limit is no text");
  }
  const parts = key === undefined ? [scope.execution.workflowId, nodeId] : [String(value)];
  return encodeBase64Url(await sha256(JSON.stringify(parts)));
}
