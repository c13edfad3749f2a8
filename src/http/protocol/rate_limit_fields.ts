/**
 * The header fields that describe a client's rate limit (draft-ietf-httpapi-ratelimit-headers-10).
 *
 * @example
 * ```ts
 * rateLimitFields({ limit: 10, perSeconds: 60 }, { remaining: 3, resetMs: 1500 });
 * // { "ratelimit-policy": '"default";q=10;w=60', ratelimit: '"default";r=3;t=2' }
 * ```
 */
import type { Admission, RateLimit } from "../../execution/rate_limits.ts";

/** `RateLimit-Policy` and `RateLimit`; seconds are rounded up, so that no client retries too early. */
export function rateLimitFields(
  { limit, perSeconds }: RateLimit,
  { remaining, resetMs }: Pick<Admission, "remaining" | "resetMs">,
): Record<"ratelimit-policy" | "ratelimit", string> {
  return {
    "ratelimit-policy": `"default";q=${limit};w=${perSeconds}`,
    "ratelimit": `"default";r=${remaining};t=${Math.ceil(resetMs / 1000)}`,
  };
}
