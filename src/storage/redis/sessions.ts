/**
 * The ports of sessions on Redis, put together.
 */
import type { Clock } from "../../lib/clock.ts";
import type { Store } from "../store.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Documents } from "./connection/documents.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import type { Keys } from "./keys.ts";
import { RedisMailboxes } from "./mailboxes.ts";
import { RedisSessionStore } from "./session_store.ts";
import type { Subscriptions } from "./streams/subscriptions.ts";

/** What they are made of. */
export interface OpenSessionsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** How documents are kept. */
  readonly documents: Documents;
  /** Stream subscriptions over one blocked connection. */
  readonly subscriptions: Subscriptions;
  /** What one mailbox may hold. */
  readonly mailbox: { readonly entries: number; readonly bytes: number };
}

/** Opens nothing of its own: all of them go over connections that are there. */
export function openSessions(options: OpenSessionsOptions): Pick<Store, "sessions" | "mailboxes" | "designer"> {
  const { keys, commands, memory, documents, mailbox } = options;
  const kept = { commands, memory, asJson: documents.kind === "RedisJSON", mailbox };
  return {
    sessions: new RedisSessionStore({ ...kept, document: (id) => keys.session(id), all: keys.sessions() }),
    mailboxes: new RedisMailboxes({ ...options, ...mailbox }),
    designer: new RedisSessionStore({
      ...kept,
      document: (id) => keys.designer(id),
      followed: (id) => keys.mailbox("designer", id),
    }),
  };
}
