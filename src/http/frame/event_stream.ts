/**
 * Content negotiation, and responses that are streams of events.
 */
import type { Context } from "hono";
import { MillraceError } from "../../lib/errors.ts";
import { negotiate } from "../protocol/accept.ts";
import { type OpenSource, prefetch } from "../protocol/message_source.ts";
import { EVENT_STREAM_HEADERS, serverSentEvents } from "../protocol/server_sent_events.ts";
import type { AppDeps, AppEnv } from "./deps.ts";

/** Range of the random `retry` of a stream, in milliseconds, so that clients do not all reconnect at once. */
const RETRY_MS = [1000, 3000] as const;

/**
 * Answers with a stream of events, which ends when the instance begins to drain.
 *
 * @throws {MillraceError} `too_many_waiters`, and other errors before the first message
 */
export async function eventStream(
  c: Context<AppEnv>,
  deps: Pick<AppDeps, "config" | "drainSignal" | "logger">,
  open: OpenSource,
): Promise<Response> {
  const headers = { ...EVENT_STREAM_HEADERS, vary: "Accept" };
  if (c.req.method === "HEAD") return c.body(null, 200, headers);
  const requestId = c.get("requestId");
  const [soonest, latest] = RETRY_MS;
  const body = serverSentEvents(await prefetch(open), {
    limitBytes: deps.config.followerLimitBytes,
    retryMs: soonest + Math.random() * (latest - soonest),
    hangUp: c.env?.hangUp,
    signal: deps.drainSignal,
    onError: (error) => deps.logger.warn({ error, requestId }, "event stream ended early"),
  });
  return c.body(body as ReadableStream<Uint8Array<ArrayBuffer>>, 200, headers);
}

/** The offered type that the client prefers. Throws `not_acceptable`. */
export function negotiateType<T extends string>(c: Context<AppEnv>, offers: readonly T[]): T {
  const accept = c.req.header("accept");
  const type = negotiate(accept, offers);
  if (type !== undefined) return type;
  throw new MillraceError("not_acceptable", `Can answer ${offers.join(", ")} here: accepted is only "${accept}"`, {
    headers: { vary: "Accept" },
  });
}
