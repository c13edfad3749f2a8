/**
 * JSON documents in Redis: RedisJSON, or its twin on plain strings for servers without it, with the same behaviour.
 */
import type { RedisConnection, Reply } from "./connection.ts";

/** How documents are kept. */
export type DocumentKind = "RedisJSON" | "strings";

/** JSON documents under keys; scripts write them. */
export interface Documents {
  readonly kind: DocumentKind;
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

  async get<T>(key: string): Promise<T | undefined> {
    const text = await this.#connection.send<string | null>(["GET", key]);
    return text === null ? undefined : JSON.parse(text) as T;
  }
}
