/**
 * Rules of storing definitions that both drivers keep.
 */
import { MillraceError } from "../lib/errors.ts";
import type { WorkflowDefinition } from "./definition.ts";
import type { WebhookRoute } from "./workflow_store.ts";

/** Holds `If-Match` and `If-None-Match` (RFC 9110, section 13.1) against the version that is there. */
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
 * True when some request could match both: then one workflow would take what is meant for another, whichever of the
 * two is more specific. A webhook of `GET` is asked by `HEAD` too.
 */
export function routesMeet(a: Pick<WebhookRoute, "method" | "shape">, b: typeof a): boolean {
  const isHead = (one: string, other: string) => one === "GET" && other === "HEAD";
  if (a.method !== b.method && !isHead(a.method, b.method) && !isHead(b.method, a.method)) return false;
  const [left, right] = [a.shape.split("/"), b.shape.split("/")];
  return left.length === right.length &&
    left.every((segment, at) => segment === right[at] || segment === ":" || right[at] === ":");
}

/** The error for webhook paths that other workflows have. */
export function pathTaken(routes: readonly (WebhookRoute & { owner: string })[]): MillraceError {
  const errors = routes.map(({ method, pointer, owner }) => ({
    pointer,
    detail: `The workflow "${owner}" already has this path for ${method}, or one that matches the same requests`,
  }));
  return new MillraceError("webhook_path_taken", errors[0]!.detail, { extensions: { errors } });
}

/** True when two checked definitions say the same. */
export function sameDefinition(a: WorkflowDefinition, b: WorkflowDefinition): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** How long after its last use the version number of a deleted workflow is remembered, in seconds. */
export const COUNTER_TTL_SECONDS = 30 * 86_400;

/**
 * How long a version is kept once another has taken its place: as long as one of its executions may take, and as long
 * as their history is kept.
 */
export function keptSeconds(replaced: WorkflowDefinition, historyTtlSeconds: number): number {
  return replaced.settings.timeoutSeconds + historyTtlSeconds + 3600;
}
