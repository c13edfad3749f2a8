/**
 * `GET /api/audit`: who changed what through the API.
 */
import type { Context, Hono } from "hono";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { limitParameter, textParameter } from "../frame/parameters.ts";
import { resource } from "../frame/resource.ts";

/** The longest name of a token, in characters. */
const NAME_LENGTH = 64;

/** Adds the resource to the app. */
export function audit(app: Hono<AppEnv>, deps: AppDeps): void {
  resource(app, "/api/audit", { GET: (c) => listAudit(c, deps) });
}

async function listAudit(c: Context<AppEnv>, { store }: AppDeps): Promise<Response> {
  const limit = limitParameter(c);
  const cursor = c.req.query("cursor");
  const token = textParameter(c, "token", { maxLength: NAME_LENGTH });
  return c.json(
    await store.audit.list({
      limit,
      ...(cursor !== undefined && { cursor }),
      ...(token !== undefined && { token }),
    }),
  );
}
