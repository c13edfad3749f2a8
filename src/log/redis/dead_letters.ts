/**
 * The dead letters on Redis: a stream a partition, trimmed by length, whose entries hold all that is needed to look at
 * an execution, or to request it again, after its log has expired.
 */
import type { RedisConnection } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import { parseEntries, type StreamEntry } from "../../redis/stream_replies.ts";
import type { JsonValue } from "../../json.ts";
import type { EventData } from "../event.ts";
import type { DeadLetter, DeadLetters } from "../port.ts";

/** How many entries are read at once: each may hold a large input. */
const PAGE = 50;

/** {@linkcode DeadLetters} on Redis Streams. */
export class RedisDeadLetters implements DeadLetters {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;

  constructor(options: { keys: Keys; commands: RedisConnection }) {
    this.#keys = options.keys;
    this.#commands = options.commands;
  }

  /** By execution id, the newest first, over all partitions: a page can go on where one was dropped. */
  async list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }> {
    const { limit, cursor } = options;
    const all: DeadLetter[] = [];
    for (const stream of this.#keys.each((partition) => this.#keys.dead(partition))) {
      for await (const entry of this.#newestFirst(stream)) {
        const { input: _input, ...letter } = decodeDeadLetter(entry);
        all.push(letter);
      }
    }
    all.sort((a, b) => a.executionId < b.executionId ? 1 : -1);
    const from = cursor === undefined ? 0 : all.filter(({ executionId }) => executionId >= cursor).length;
    const page = all.slice(from, from + limit);
    return from + limit < all.length
      ? { deadLetters: page, nextCursor: page.at(-1)!.executionId }
      : { deadLetters: page };
  }

  async get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined> {
    const entry = await this.#find(executionId);
    return entry && decodeDeadLetter(entry);
  }

  async drop(executionId: string): Promise<boolean> {
    const entry = await this.#find(executionId);
    if (entry === undefined) return false;
    return await this.#commands.send(["XDEL", this.#streamOf(executionId), entry.id]) === 1;
  }

  async #find(executionId: string): Promise<StreamEntry | undefined> {
    for await (const entry of this.#newestFirst(this.#streamOf(executionId))) {
      if (entry.fields.get("execution") === executionId) return entry;
    }
    return undefined;
  }

  async *#newestFirst(stream: string): AsyncIterable<StreamEntry> {
    for (let end = "+";;) {
      const entries = parseEntries(
        await this.#commands.send(["XREVRANGE", stream, end, "-", "COUNT", String(PAGE)]),
      );
      yield* entries;
      if (entries.length < PAGE) return;
      end = `(${entries.at(-1)!.id}`;
    }
  }

  #streamOf(executionId: string): string {
    return this.#keys.dead(this.#keys.partitionOf(executionId));
  }
}

function decodeDeadLetter({ fields }: StreamEntry): DeadLetter & { input: JsonValue } {
  const request = JSON.parse(fields.get("request") ?? "{}") as EventData["execution.requested"];
  return {
    executionId: fields.get("execution") ?? "",
    workflowId: request.workflowId,
    version: request.version,
    trigger: request.trigger,
    requestedAt: Number(fields.get("requestedAt")),
    diedAt: Number(fields.get("diedAt")),
    deliveries: Number(fields.get("deliveries")),
    error: JSON.parse(fields.get("error") ?? "{}"),
    input: request.input,
  };
}
