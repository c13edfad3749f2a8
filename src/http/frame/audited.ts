/**
 * Records each call of the API that may change something, after its answer: caller, action, time and status. Refused
 * callers are not recorded, since anyone could fill the list with them.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { AuditValue } from "../../audit/audit_log.ts";
import { NAMELESS } from "../../config/api_tokens.ts";
import type { AppDeps, AppEnv } from "./deps.ts";
import { answeringRoute } from "./scopes.ts";

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** What the `:id` or `:name` of a route is the id of, by the name of the resource. */
const KINDS: Readonly<Record<string, string>> = {
  "dead-letters": "execution",
  "designer": "workflow",
  "executions": "execution",
  "locks": "lock",
  "sessions": "session",
  "workflows": "workflow",
};

/** The longest id that is recorded whole, in characters, and how many of several are. */
const ID_LENGTH = 256;
const IDS = 100;

/** A middleware that records; registered after whatever refuses callers. */
export function audited(
  { audit, config: { apiTokens } }: Pick<AppDeps, "audit" | "config">,
): MiddlewareHandler<AppEnv> {
  const [anonymous, unnamed] = NAMELESS;
  const nameless = apiTokens.length === 0 ? anonymous : unnamed;
  return async function recordChange(c, next) {
    const route = SAFE.has(c.req.method) ? undefined : answeringRoute(c);
    if (audit === undefined || route === undefined) return await next();
    let status = 500;
    try {
      await next();
      status = c.res.status;
    } finally {
      const changed = c.get("changed");
      if (changed !== "nothing") {
        audit.record({
          token: c.get("token") ?? nameless,
          method: route.method,
          route: route.path,
          what: { ...idsOf(c, route.path), ...bounded(changed ?? {}) },
          status,
          requestId: c.get("requestId"),
        });
      }
    }
  };
}

/** What the path names, and the execution that was started or brought in. */
function idsOf(c: Context<AppEnv>, route: string): Record<string, AuditValue> {
  const ids: Record<string, AuditValue> = {};
  const pattern = route.split("/");
  // The parameters that Hono gives a middleware are those of its own route.
  const path = new URL(c.req.url).pathname.split("/");
  for (const [i, segment] of pattern.entries()) {
    if (!segment.startsWith(":")) continue;
    const name = segment.slice(1);
    ids[name === "id" || name === "name" ? KINDS[pattern[2]!] ?? name : name] = decoded(path[i] ?? "");
  }
  const executionId = c.get("executionId");
  if (executionId === undefined) return ids;
  const isOther = ids["execution"] !== undefined && ids["execution"].toString().toLowerCase() !== executionId;
  ids[isOther ? "started" : "execution"] = executionId;
  return ids;
}

/** Several ids are cut to so many, and said to be more. */
function bounded(changed: Readonly<Record<string, AuditValue>>): Record<string, AuditValue> {
  return Object.fromEntries(
    Object.entries(changed).flatMap(([kind, value]): [string, AuditValue][] => {
      if (typeof value === "number") return [[kind, value]];
      if (typeof value === "string") return [[kind, value.slice(0, ID_LENGTH)]];
      const cut = value.slice(0, IDS).map((id) => id.slice(0, ID_LENGTH));
      return value.length > IDS ? [[kind, cut], ["count", value.length]] : [[kind, cut]];
    }),
  );
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment).slice(0, ID_LENGTH);
  } catch {
    return segment.slice(0, ID_LENGTH);
  }
}
