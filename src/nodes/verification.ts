/** The parameter `verify` of webhooks: by what their callers are verified. */
import { z } from "zod";
import type { Verification } from "../workflow/definition.ts";

const SCHEMES = ["standard", "github", "stripe", "slack", "shopify", "hmac", "basic", "bearer"] as const;
/** What only the scheme `hmac` takes. */
const OF_HMAC = ["header", "prefix", "hash", "encoding", "signed", "timestampHeader", "deliveryHeader"] as const;
const MOST_SECRETS = 8;

/** A header's name (RFC 9110, section 5.1), in lower case whatever it was. */
export const headerName: z.ZodType<string, string> = z.string().max(128).toLowerCase().regex(
  /^[!#$%&'*+.^_`|~0-9a-z-]+$/,
  "must be a header's name",
);

/** The schema; secrets are names of environment variables, of which only those in `allowed` (setting `SECRETS`) are read. */
export function verificationSchema(allowed: ReadonlySet<string>): z.ZodType<Verification> {
  const secret = z.string().max(200).superRefine((text, context) => {
    const [, name] = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text) ?? [];
    if (name === undefined) {
      // What stands here may be the secret itself: it is not quoted.
      context.addIssue({ code: "custom", message: "must be env:NAME, the environment variable that holds the secret" });
    } else if (!allowed.has(name)) {
      context.addIssue({ code: "custom", message: `names "${name}", which is not among SECRETS or not set` });
    }
  });
  return z.strictObject({
    scheme: z.enum(SCHEMES),
    secrets: z.array(secret).min(1).max(MOST_SECRETS),
    toleranceSeconds: z.number().int().min(1).max(86_400).default(300),
    header: headerName.optional(),
    prefix: z.string().max(64).optional(),
    hash: z.enum(["SHA-1", "SHA-256", "SHA-512"]).optional(),
    encoding: z.enum(["hex", "base64"]).optional(),
    signed: z.string().max(256).includes("{body}").optional(),
    timestampHeader: headerName.optional(),
    deliveryHeader: headerName.optional(),
  }).superRefine((given, context) => {
    const fault = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
    const { scheme, header, signed = "{body}", timestampHeader, deliveryHeader } = given;
    if (scheme !== "hmac") {
      for (const name of OF_HMAC) if (given[name] !== undefined) fault(name, `is for the scheme hmac, not ${scheme}`);
      return;
    }
    if (header === undefined) fault("header", "must name the header that has the signature");
    // A time that is not signed could be any.
    if ((timestampHeader !== undefined) !== signed.includes("{timestamp}")) {
      fault("timestampHeader", "must be given where {timestamp} is signed, and only there");
    }
    if (deliveryHeader === undefined && signed.includes("{delivery}")) {
      fault("deliveryHeader", "must be given where {delivery} is signed");
    }
  }).transform((given) =>
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  ) as unknown as z.ZodType<Verification>;
}
