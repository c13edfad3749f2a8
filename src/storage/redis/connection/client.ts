/**
 * A client of node-redis that lives for one link only: {@linkcode RedisConnection} makes another when it is gone.
 */
import json from "@redis/json";
import { RedisClient } from "redis";
import { HANDSHAKE_MS } from "./deadlines.ts";

/** A client as {@linkcode makeClient} makes it. */
export type Client = ReturnType<typeof makeClient>;

/** The class and its hundreds of methods are built once: `createClient` builds them whenever a link is tried. */
const create = RedisClient.factory({ RESP: 2, modules: { json: json.default } });

/** Makes a client, not yet connected. It never reconnects, and keeps no command waiting for a link. */
export function makeClient({ url, name }: { readonly url: string; readonly name?: string }) {
  const options = {
    url,
    ...(name === undefined ? {} : { name }),
    // The handshake looks here for it, and not at the class.
    RESP: 2,
    maintNotifications: "disabled",
    disableOfflineQueue: true,
    commandsQueueMaxLength: 100_000,
    // With a timeout every command makes an AbortSignal, which costs three quarters of the throughput.
    commandOptions: { timeout: undefined as unknown as number },
    socket: { connectTimeout: HANDSHAKE_MS, noDelay: true, reconnectStrategy: false },
  } as const;
  return create(options);
}
