/**
 * Rules for stored definitions that every driver follows.
 */
import { MillraceError } from "../lib/errors.ts";
import type { WorkflowDefinition } from "./definition.ts";
import type { WebhookRoute } from "./workflow_store.ts";

/**
 * Checks `If-Match` and `If-None-Match` (RFC 9110, section 13.1) against the stored version. Throws `version_mismatch`.
 */
export function checkMatch(
  id: string,
  version: number | undefined,
  options: { ifMatch?: number | "*"; ifNoneMatch?: "*" },
): void {
  const { ifMatch, ifNoneMatch } = options;
  if (ifNoneMatch !== undefined && version !== undefined) {
    throw new MillraceError("version_mismatch", `The workflow "${id}" exists already, at version ${version}`);
  }
  if (ifMatch === undefined || ifMatch === version || (ifMatch === "*" && version !== undefined)) return;
  const found = version === undefined ? "does not exist" : `is at version ${version}`;
  throw new MillraceError("version_mismatch", `The workflow "${id}" ${found}, which If-Match does not name`);
}

/**
 * True when some request could match both routes, whichever of them is more specific: one workflow would then take
 * requests for another. A `HEAD` request also matches a webhook of `GET`.
 */
export function routesMeet(a: Pick<WebhookRoute, "method" | "shape">, b: typeof a): boolean {
  const isHead = (one: string, other: string) => one === "GET" && other === "HEAD";
  if (a.method !== b.method && !isHead(a.method, b.method) && !isHead(b.method, a.method)) return false;
  const [left, right] = [a.shape.split("/"), b.shape.split("/")];
  return left.length === right.length &&
    left.every((segment, at) => segment === right[at] || segment === ":" || right[at] === ":");
}

/** Webhook routes overlap with those of other workflows, the `owners`. */
export class PathTakenError extends MillraceError {
  readonly owners: readonly string[];

  constructor(routes: readonly (WebhookRoute & { owner: string })[]) {
    const errors = routes.map(({ method, pointer, owner }) => ({
      pointer,
      detail: `The workflow "${owner}" already has this path for ${method}, or one that matches the same requests`,
    }));
    super("webhook_path_taken", errors[0]!.detail, { extensions: { errors } });
    this.owners = routes.map(({ owner }) => owner);
  }
}

/** True when two checked definitions say the same. */
export function sameDefinition(a: WorkflowDefinition, b: WorkflowDefinition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Time that the version number of a deleted workflow is remembered, in seconds: 30 days. */
export const COUNTER_TTL_SECONDS = 30 * 86_400;

/**
 * Time that a replaced version is kept, in seconds: as long as one of its executions may take, as long as their history
 * is kept after that, and an hour.
 */
export function keptSeconds(replaced: WorkflowDefinition, historyTtlSeconds: number): number {
  return replaced.settings.timeoutSeconds + historyTtlSeconds + 3600;
}
