/**
 * Dead letters as they were kept once: a stream a partition, whose entries hold the whole request. None is added any
 * more; what is there can be looked at, requeued and dropped like any other.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { parseEntries, type StreamEntry } from "./streams/stream_replies.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { EventData } from "../../execution/event.ts";
import type { DeadLetter } from "../../execution/dead_letters.ts";

/** How many entries are read at once: each may hold a large input. */
const PAGE = 5;

/** Reads and drops them. */
export class OldDeadLetters {
  readonly #keys: Keys;
  readonly #connection: RedisConnection;

  constructor(options: { keys: Keys; connection: RedisConnection }) {
    this.#keys = options.keys;
    this.#connection = options.connection;
  }

  /** All of them, without their inputs. */
  async list(): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (const stream of this.#keys.each((partition) => this.#keys.dead(partition))) {
      for await (const entry of this.#newestFirst(stream)) {
        const { input: _input, ...letter } = decode(entry);
        letters.push(letter);
      }
    }
    return letters;
  }

  async get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined> {
    const entry = await this.#find(executionId);
    return entry && decode(entry);
  }

  async drop(executionId: string): Promise<boolean> {
    const entry = await this.#find(executionId);
    if (entry === undefined) return false;
    return await this.#connection.send(["XDEL", this.#streamOf(executionId), entry.id]) === 1;
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
        await this.#connection.send(["XREVRANGE", stream, end, "-", "COUNT", String(PAGE)]),
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

function decode({ fields }: StreamEntry): DeadLetter & { input: JsonValue } {
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
