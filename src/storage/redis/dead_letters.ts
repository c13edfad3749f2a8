/**
 * The dead letters on Redis: a hash each, which holds all that is needed to look at an execution, or to request it
 * again, after its log has expired; and a sorted set of their ids a partition, so that a page is read without the rest.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { dropDeadLetter } from "./scripts/drop_dead_letter.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { DeadLetter, DeadLetters } from "../../execution/dead_letters.ts";
import { OldDeadLetters } from "./old_dead_letters.ts";

/** The fields that a list shows: all but what was posted. */
const SHOWN = ["workflow", "version", "trigger", "requestedAt", "diedAt", "deliveries", "error"] as const;

/** {@linkcode DeadLetters} on Redis. */
export class RedisDeadLetters implements DeadLetters {
  readonly #keys: Keys;
  readonly #connection: RedisConnection;
  readonly #old: OldDeadLetters;

  /** @param options.connection one for what may be large */
  constructor(options: { keys: Keys; connection: RedisConnection }) {
    this.#keys = options.keys;
    this.#connection = options.connection;
    this.#old = new OldDeadLetters(options);
  }

  /** By execution id, the newest first, over all partitions: a page can go on where one was dropped. */
  async list(options: { limit: number; cursor?: string }): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }> {
    const { limit, cursor } = options;
    const [pages, old] = await Promise.all([
      Promise.all(
        this.#keys.each((partition) => this.#keys.deadLetters(partition)).map((ids) =>
          this.#connection.send<string[]>(
            [
              "ZRANGE",
              ids,
              cursor === undefined ? "+" : `(${cursor}`,
              "-",
              "BYLEX",
              "REV",
              "LIMIT",
              "0",
              `${limit + 1}`,
            ],
          )
        ),
      ),
      this.#old.list(),
    ]);
    const older = new Map(old.map((letter) => [letter.executionId, letter]));
    const ids = [...pages.flat(), ...[...older.keys()].filter((id) => cursor === undefined || id < cursor)];
    const page = ids.sort().reverse().slice(0, limit);
    const letters = await Promise.all(page.map(async (id) => older.get(id) ?? await this.#shown(id)));
    return {
      // One may have been dropped since.
      deadLetters: letters.filter((letter) => letter !== undefined),
      ...(ids.length > limit ? { nextCursor: page.at(-1)! } : {}),
    };
  }

  async get(executionId: string): Promise<DeadLetter & { input: JsonValue } | undefined> {
    const key = this.#keys.deadLetter(executionId);
    const [request, input, ...shown] = await this.#connection.send<(string | null)[]>(
      ["HMGET", key, "request", "input", ...SHOWN],
    );
    const letter = decode(executionId, shown);
    if (letter === undefined) return await this.#old.get(executionId);
    return { ...letter, input: typeof input === "string" ? JSON.parse(input) : JSON.parse(request ?? "{}").input };
  }

  async drop(executionId: string): Promise<boolean> {
    const keys = {
      ids: this.#keys.deadLetters(this.#keys.partitionOf(executionId)),
      letter: this.#keys.deadLetter(executionId),
    };
    if (await dropDeadLetter(this.#connection, { keys, executionId })) return true;
    return await this.#old.drop(executionId);
  }

  async #shown(executionId: string): Promise<DeadLetter | undefined> {
    const reply = await this.#connection.send(["HMGET", this.#keys.deadLetter(executionId), ...SHOWN]);
    return decode(executionId, reply as (string | null)[]);
  }
}

function decode(executionId: string, reply: readonly (string | null)[]): DeadLetter | undefined {
  const [workflowId, version, trigger, requestedAt, diedAt, deliveries, error] = reply;
  if (typeof workflowId !== "string") return undefined;
  return {
    executionId,
    workflowId,
    version: Number(version),
    trigger: trigger ?? "",
    requestedAt: Number(requestedAt),
    diedAt: Number(diedAt),
    deliveries: Number(deliveries),
    error: JSON.parse(error ?? "{}"),
  };
}
