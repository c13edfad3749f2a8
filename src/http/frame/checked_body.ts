/**
 * A JSON body by its schema: all faults at once, each by its JSON pointer.
 */
import type { Context } from "hono";
import type { z } from "zod";
import { type Fault, MillraceError } from "../../lib/errors.ts";
import { type BodyBudget } from "../protocol/body_budget.ts";
import { readJson } from "../protocol/request_body.ts";
import { bodyOptions } from "./body_options.ts";
import type { AppDeps, AppEnv } from "./deps.ts";

/** Options of {@linkcode readChecked}. */
export interface CheckedBodyOptions {
  /** The configured limits of bodies. */
  readonly deps: Pick<AppDeps, "config">;
  /** The bytes of all bodies under way, from which this one takes its own. */
  readonly bodies: BodyBudget;
  /** What the request wants to do, such as "lock", for the message. */
  readonly action: string;
}

/** Reads a body; an absent one is an empty object. Throws `invalid_parameter` with the `errors` of the schema. */
export async function readChecked<S extends z.ZodType>(
  c: Context<AppEnv>,
  schema: S,
  { deps, bodies, action }: CheckedBodyOptions,
): Promise<z.output<S>> {
  const share = bodies.open();
  try {
    const body = await readJson(c.req.raw, bodyOptions(c, deps, share));
    const parsed = schema.safeParse(body ?? {});
    if (parsed.success) return parsed.data;
    throw invalidBody(
      action,
      parsed.error.issues.map(({ path, message }) => ({
        pointer: path.map((name) => `/${String(name)}`).join(""),
        detail: message,
      })),
    );
  } finally {
    share.close();
  }
}

/** The error for a JSON body that the schema refuses. */
export function invalidBody(action: string, errors: readonly [Fault, ...Fault[]] | readonly Fault[]): MillraceError {
  const [first] = errors;
  return new MillraceError("invalid_parameter", `Cannot ${action}: ${first!.pointer || "/"}: ${first!.detail}`, {
    extensions: { parameter: first!.pointer.slice(1), errors },
  });
}
