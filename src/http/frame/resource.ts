/**
 * Registers one resource: its methods, and a clear answer to every other method.
 */
import type { Handler, Hono } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import type { AppEnv } from "./deps.ts";

/** A method that a resource can have. `HEAD` comes with `GET`, `OPTIONS` with everything. */
export type Method = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

/**
 * Adds a resource to the app. Other methods get 405 with `Allow`, `OPTIONS` gets 204 with `Allow`
 * (RFC 9110, sections 9.3.7 and 15.5.6).
 */
export function resource(
  app: Hono<AppEnv>,
  path: string,
  handlers: Readonly<Partial<Record<Method, Handler<AppEnv>>>>,
): void {
  const methods = Object.keys(handlers);
  const allow = allowHeader(methods);
  for (const [method, handler] of Object.entries(handlers)) app.on(method, path, handler);
  app.all(path, (c) => {
    if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    throw methodNotAllowed(c.req.method, methods);
  });
}

/** The value of `Allow` for a resource with these methods. */
export function allowHeader(methods: readonly string[]): string {
  const all = new Set(methods);
  if (all.has("GET")) all.add("HEAD");
  all.add("OPTIONS");
  return [...all].join(", ");
}

/** The error for a method that a resource does not have. */
export function methodNotAllowed(method: string, methods: readonly string[]): MillraceError {
  const allow = allowHeader(methods);
  return new MillraceError("method_not_allowed", `Cannot ${method} here: allowed are ${allow}`, { headers: { allow } });
}
