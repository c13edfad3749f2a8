/**
 * Verifies who called a webhook, over the bytes as they were sent, before anything is made of them.
 *
 * @example
 * ```ts
 * const verify = createVerify({ secrets: new Map([["HOOK", "whsec_…"]]), clock });
 * const { deliveryId } = await verify(webhook.verify, { headers: request.headers, body });
 * ```
 */
import type { Clock } from "../../../lib/clock.ts";
import { MillraceError } from "../../../lib/errors.ts";
import type { Verification } from "../../../workflow/definition.ts";
import { type FailedCheck, SCHEMES, type SignedRequest } from "./schemes.ts";

/** What is recorded of a verification: it is not done again when the execution is replayed. */
export interface Verified {
  readonly scheme: Verification["scheme"];
  /** The provider's name of the delivery; absent where there is none. */
  readonly deliveryId?: string;
}

/** Resolves once the request is known to be its sender's. Throws `verification_failed` and `secret_missing`. */
export type Verify = (options: Verification, request: SignedRequest) => Promise<Verified>;

/** Options of {@linkcode createVerify}. */
export interface VerifyOptions {
  /** Secrets by the name of their environment variable. Required. */
  readonly secrets: ReadonlyMap<string, string>;
  /** By which timestamps are judged. Required. */
  readonly clock: Clock;
}

const WORDS: Readonly<Record<FailedCheck, string>> = {
  header: "a header that it needs is missing or malformed",
  timestamp: "it was signed too long ago, or in the future",
  signature: "the signature is not that of a sender who is known",
};

/** Makes the function that verifies. */
export function createVerify({ secrets, clock }: VerifyOptions): Verify {
  return async function verify(options, request) {
    const { scheme, toleranceSeconds } = options;
    const known = options.secrets.map((name) => secrets.get(name.slice("env:".length)));
    const reading = SCHEMES[scheme](request, options);
    if (reading === undefined) throw failed(scheme, "header");
    const { timestamp, deliveryId, holds } = reading;
    if (timestamp !== undefined && Math.abs(clock.now() / 1000 - timestamp) > toleranceSeconds) {
      throw failed(scheme, "timestamp");
    }
    // All secrets are tried, so that the time does not tell which one was right.
    const verdicts = await Promise.all(known.map((secret) => secret === undefined ? false : holds(secret)));
    if (!verdicts.includes(true)) {
      if (known.includes(undefined)) {
        throw new MillraceError("secret_missing", "A secret by which this webhook's callers are verified is not set");
      }
      throw failed(scheme, "signature");
    }
    return { scheme, ...(deliveryId !== undefined && { deliveryId }) };
  };
}

/** Names the check that failed, without the expected value. */
function failed(scheme: Verification["scheme"], check: FailedCheck): MillraceError {
  const challenge = { basic: 'Basic realm="webhook", charset="UTF-8"', bearer: "Bearer" }[scheme as "basic"] ??
    `Signature scheme="${scheme}"`;
  const what = check === "signature" && (scheme === "basic" || scheme === "bearer")
    ? "the credentials are not accepted"
    : WORDS[check];
  return new MillraceError("verification_failed", `The call is not verified: ${what}`, {
    extensions: { check },
    headers: { "www-authenticate": challenge },
  });
}
