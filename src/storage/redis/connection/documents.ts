/**
 * JSON documents in Redis: RedisJSON, or its twin on plain strings for servers without it, with the same behaviour.
 */
import type { RedisJSON } from "@redis/json";
import type { RedisConnection, Reply } from "./connection.ts";

/** How documents are kept. */
export type DocumentKind = "RedisJSON" | "strings";

/** Keeps JSON documents under keys. */
export interface Documents {
  readonly kind: DocumentKind;
  /** Writes a whole document, and how long it lives. */
  set(key: string, document: unknown, options: { ttlMs: number }): Promise<void>;
  get<T>(key: string): Promise<T | undefined>;
}

/** Documents of one kind. */
export function openDocuments(connection: RedisConnection, kind: DocumentKind): Documents {
  return kind === "strings" ? new StringDocuments(connection) : new JsonDocuments(connection);
}

/** Whether the server has RedisJSON. */
export async function hasRedisJson(connection: RedisConnection): Promise<boolean> {
  const [info] = await connection.send<[Reply]>(["COMMAND", "INFO", "JSON.SET"]);
  return info !== null;
}

class JsonDocuments implements Documents {
  readonly kind = "RedisJSON";
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async set(key: string, document: unknown, { ttlMs }: { ttlMs: number }): Promise<void> {
    await this.#connection.use((client) =>
      Promise.all([client.json.set(key, "$", document as RedisJSON), client.pExpire(key, ttlMs)])
    );
  }

  async get<T>(key: string): Promise<T | undefined> {
    const document = await this.#connection.use((client) => client.json.get(key));
    return document === null ? undefined : document as T;
  }
}

class StringDocuments implements Documents {
  readonly kind = "strings";
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async set(key: string, document: unknown, { ttlMs }: { ttlMs: number }): Promise<void> {
    await this.#connection.send(["SET", key, JSON.stringify(document), "PX", String(ttlMs)]);
  }

  async get<T>(key: string): Promise<T | undefined> {
    const text = await this.#connection.send<string | null>(["GET", key]);
    return text === null ? undefined : JSON.parse(text) as T;
  }
}
