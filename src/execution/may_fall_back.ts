/**
 * Which executions may run in memory while the store is away: those that lose nothing by running twice, or whose author
 * says so.
 */
import { isPure } from "./purity.ts";
import type { Submission } from "./submit.ts";

/**
 * Never what other programs run, who ask the store for it, nor a fork, whose record is there. Of all others
 * `settings.fallback` decides where it is there. By default it is a webhook whose caller waits for the answer, and so
 * would ask again, of a workflow without side effects, and without slots or a lock, which are kept in the store.
 */
export function mayFallBack(
  { workflow, trigger, wait, fork }: Pick<Submission, "workflow" | "trigger" | "wait" | "fork">,
): boolean {
  const { fallback, concurrency, lock, onOverlap } = workflow.definition.settings;
  const webhook = workflow.webhooks.find(({ nodeId }) => nodeId === trigger);
  if (webhook === undefined || webhook.executor === "external" || fork !== undefined) return false;
  if (fallback !== undefined) return fallback;
  if (wait === undefined) return false;
  if ([concurrency, lock, onOverlap].some((setting) => setting !== undefined)) return false;
  return isPure(workflow);
}
