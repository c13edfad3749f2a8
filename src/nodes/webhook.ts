/** The trigger `webhook`: a request to its path starts an execution. */
import { z } from "zod";
import { parseRange } from "../lib/address_ranges.ts";
import type { Webhook } from "../workflow/definition.ts";
import type { CompileTools, NodeType } from "../workflow/node_type.ts";
import { rateLimitSchema } from "../workflow/schema.ts";
import { headerName, verificationSchema } from "./verification.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const methodSchema = z.string().toUpperCase()
  .refine((name) => METHODS.includes(name), `must be one of ${METHODS.join(", ")}`);

const pathSchema = z.string().min(1).max(256).transform((path, context) => {
  const trimmed = path.startsWith("/") ? path.slice(1) : path;
  const segments = trimmed.split("/");
  const names = segments.filter((segment) => segment.startsWith(":"));
  for (const segment of segments) {
    const isFine = segment.startsWith(":")
      ? /^:[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(segment) && segment !== ":__proto__"
      : /^[A-Za-z0-9._~-]+$/.test(segment) && segment !== "." && segment !== "..";
    if (isFine) continue;
    const message = `has the segment "${segment}": it must be letters, digits, ".", "_", "~" and "-", or ":name"`;
    context.addIssue({ code: "custom", message });
  }
  if (new Set(names).size < names.length) context.addIssue({ code: "custom", message: "names a segment twice" });
  return trimmed;
});

const MOST_RANGES = 256;
const MOST_HEADERS = 64;

const rangeSchema = z.string().max(64).transform((text, context) => {
  const range = parseRange(text);
  if (range !== undefined) return range;
  context.addIssue({ code: "custom", message: `must be an IP address or a CIDR such as 10.0.0.0/8, not "${text}"` });
  return z.NEVER;
});

function limitOf(
  { key, ...limit }: z.output<typeof rateLimitSchema>,
  { template }: CompileTools,
): NonNullable<Webhook["rateLimit"]> {
  return key === undefined ? limit : { ...limit, key: template(key, "/rateLimit/key") };
}

/** Options of {@linkcode createWebhook}. */
export interface WebhookOptions {
  /** Environment variables whose secrets `verify` may name. Default none. */
  readonly secretNames?: ReadonlySet<string>;
}

/** Makes the node type `webhook`; the method is POST unless named. */
export function createWebhook({ secretNames = new Set() }: WebhookOptions) {
  const parameters = z.strictObject({
    path: pathSchema,
    method: methodSchema.optional(),
    methods: z.array(methodSchema).min(1).max(METHODS.length).optional(),
    responseMode: z.enum(["onReceived", "lastNode", "responseNode"]).default("lastNode"),
    timeoutSeconds: z.number().positive().max(3600).default(30),
    executor: z.enum(["worker", "external"]).default("worker"),
    verify: verificationSchema(secretNames).optional(),
    allow: z.array(rangeSchema).min(1).max(MOST_RANGES).optional(),
    rateLimit: rateLimitSchema.optional(),
    recordHeaders: z.array(headerName).max(MOST_HEADERS).optional(),
  }).refine(({ method, methods }) => method === undefined || methods === undefined, {
    path: ["methods"],
    message: "must not be given together with method",
  });
  const type: NodeType<z.infer<typeof parameters>> = {
    type: "webhook",
    starts: "webhook",
    hasSideEffects: false,
    parameters,
    webhook({ path, method, methods = [method ?? "POST"], responseMode, timeoutSeconds, ...more }, tools) {
      const { executor, verify, allow, rateLimit, recordHeaders } = more;
      return {
        ...{ nodeId: tools.nodeId, path, methods: [...new Set(methods)], responseMode, timeoutSeconds },
        ...(executor === "external" && { executor }),
        ...(verify !== undefined && { verify }),
        ...(allow !== undefined && { allow }),
        ...(recordHeaders !== undefined && { recordHeaders }),
        ...(rateLimit !== undefined && {
          rateLimit: limitOf(rateLimit, tools),
        }),
      };
    },
  };
  return type;
}
