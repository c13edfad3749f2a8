/**
 * How handlers of the API read a body: within the configured limits, and without a stream what came with its head.
 */
import type { Context } from "hono";
import type { BodyShare } from "../protocol/body_budget.ts";
import { bodyLimits } from "../protocol/request_body.ts";
import type { AppDeps, AppEnv } from "./deps.ts";

/** The options of `readJson` and its like for one request, whose bytes are counted in `share`. */
export function bodyOptions(c: Context<AppEnv>, { config }: Pick<AppDeps, "config">, share: BodyShare) {
  return { ...bodyLimits(config), share, take: c.env?.takeBody };
}
