/**
 * A client of node-redis that lives for one link only: {@linkcode RedisConnection} makes another when it is gone.
 */
import { createClient } from "redis";
import { HANDSHAKE_MS } from "./deadlines.ts";

/** A client as {@linkcode makeClient} makes it. */
export type Client = ReturnType<typeof makeClient>;

/** Makes a client, not yet connected. It never reconnects, and keeps no command waiting for a link. */
export function makeClient({ url, name }: { readonly url: string; readonly name?: string }) {
  return createClient({
    url,
    ...(name === undefined ? {} : { name }),
    RESP: 2,
    maintNotifications: "disabled",
    disableOfflineQueue: true,
    commandsQueueMaxLength: 100_000,
    // With a timeout every command makes an AbortSignal, which costs three quarters of the throughput.
    commandOptions: { timeout: undefined as unknown as number },
    socket: { connectTimeout: HANDSHAKE_MS, noDelay: true, reconnectStrategy: false },
  });
}
