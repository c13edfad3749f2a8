/** The node type `delay`: its output is its input, some seconds later. */
import { z } from "zod";
import { TerminalError } from "../lib/errors.ts";
import { pause } from "../lib/delay.ts";
import { numberOrExpression } from "./parameter.ts";
import type { NodeType } from "../workflow/node_type.ts";

const MAX_SECONDS = 604_800;
/**
 * Longest wait in the process by default, in milliseconds. For a longer one the execution is suspended, with a timer in
 * the store.
 */
const SHORT_MS = 2000;
/** From one report of a wait in the process to the next, in milliseconds. */
const STEP_MS = 500;

const parameters = z.strictObject({ seconds: numberOrExpression(0, MAX_SECONDS) });

/** The node type `delay`. Fails with `invalid_delay` if its expression gives no number of seconds up to a week. */
export const delay: NodeType<z.infer<typeof parameters>> = {
  type: "delay",
  hasSideEffects: false,
  parameters,
  compile({ seconds }, tools) {
    const template = tools.template(seconds, "/seconds");
    return async ({ scope, signal, waitedUntil, progress, now, inlineWaitMs = SHORT_MS }) => {
      if (waitedUntil !== undefined) return { output: scope.input };
      const value = await template(scope);
      if (typeof value !== "number" || !(value >= 0 && value <= MAX_SECONDS)) {
        const text = JSON.stringify(value).slice(0, 80);
        throw new TerminalError("invalid_delay", `Cannot wait so long: it must be 0 to ${MAX_SECONDS} seconds`, {
          detail: `Cannot wait ${text} seconds`,
        });
      }
      if (value * 1000 > inlineWaitMs) return { waitUntil: now() + Math.round(value * 1000) };
      const endsAt = performance.now() + value * 1000;
      for (;;) {
        const leftMs = endsAt - performance.now();
        await pause(Math.min(leftMs, STEP_MS), signal);
        signal.throwIfAborted();
        if (leftMs <= STEP_MS) return { output: scope.input };
        progress({ percent: Math.round(100 - (endsAt - performance.now()) / value / 10) });
      }
    };
  },
};
