/**
 * Imported executions on Redis: written under names of their own first, piece by piece, then put in their place in one
 * step. What never comes to that expires.
 */
import { UnavailableError } from "../../lib/errors.ts";
import { storageFull } from "../../execution/refusals.ts";
import type { ImportedExecution, Imports } from "../../execution/imports.ts";
import { encodeEvent } from "../../execution/value.ts";
import { encodeResult } from "./codec.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import { isFull } from "./connection/refusal.ts";
import type { Keys } from "./keys.ts";
import { importExecution } from "./scripts/import_execution.ts";

/** How long what is being written lives, in seconds. */
const STAGED_SECONDS = 300;
/** How many commands are under way at once. */
const AT_ONCE = 64;

/** What imports are made of. */
export interface RedisImportsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** One that carries what may be large. */
  readonly connection: RedisConnection;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
}

/** {@linkcode Imports} on Redis. */
export class RedisImports implements Imports {
  readonly #options: RedisImportsOptions;

  constructor(options: RedisImportsOptions) {
    this.#options = options;
  }

  async put(imported: ImportedExecution, { ttlSeconds }: { ttlSeconds: number }): Promise<boolean> {
    const { keys, connection } = this.#options;
    const { executionId, workflowId, version, trigger, status, requestedAt, endedAt, result } = imported;
    if (await connection.send(["EXISTS", keys.meta(executionId)]) === 1) return false;
    const token = crypto.randomUUID();
    const staged = {
      log: keys.staged(executionId, `${token}:log`),
      values: keys.staged(executionId, `${token}:values`),
    };
    try {
      const { events, bytes } = await this.#stage(imported, staged);
      const partition = keys.partitionOf(executionId);
      const { stored } = await encodeResult(result, () => undefined);
      const answer = await importExecution(connection, {
        keys: {
          meta: keys.meta(executionId),
          log: keys.log(executionId),
          values: keys.values(executionId),
          result: keys.result(executionId),
          stagedLog: staged.log,
          stagedValues: staged.values,
          all: keys.index(partition, "all"),
          workflow: keys.index(partition, `workflow:${workflowId}`),
          status: keys.index(partition, `status:${status}`),
          expiry: keys.expiry(partition),
        },
        ...{ executionId, ttlSeconds, result: stored, workflowId, version, trigger, status },
        ...{ requestedAt, endedAt, events, bytes },
      });
      if (answer === "gone") throw new UnavailableError("Redis lost what was being imported");
      return answer === "ok";
    } catch (error) {
      await connection.send(["UNLINK", staged.log, staged.values]).catch(() => {});
      throw isFull(error) ? storageFull(error) : error;
    }
  }

  async #stage(
    { events }: ImportedExecution,
    staged: { log: string; values: string },
  ): Promise<{ events: number; bytes: number }> {
    const { connection, memory } = this.#options;
    const sent: Promise<unknown>[] = [];
    let [count, total] = [0, 0];
    for (const event of events) {
      const { data, value } = encodeEvent(event);
      const bytes = data.length + (value?.json.length ?? 0);
      if (!memory.hasRoomFor(bytes)) throw storageFull();
      memory.count(bytes);
      const words = ["XADD", staged.log, event.id, "type", event.type, "time", String(event.time)];
      if (event.node !== undefined) words.push("node", event.node);
      words.push("data", data);
      if (value !== undefined) {
        words.push("value", value.member, "bytes", String(value.json.length));
        sent.push(connection.send(["HSET", staged.values, value.name, value.json]));
        sent.push(connection.send(["EXPIRE", staged.values, String(STAGED_SECONDS)]));
      }
      sent.push(connection.send(words));
      if (count === 0) sent.push(connection.send(["EXPIRE", staged.log, String(STAGED_SECONDS)]));
      count++;
      total += bytes;
      if (sent.length >= AT_ONCE) await Promise.all(sent.splice(0));
    }
    await Promise.all(sent);
    return { events: count, bytes: total };
  }
}
