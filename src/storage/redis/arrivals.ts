/**
 * Takes back what ran in memory while Redis was away: one script an execution.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { encodeResult } from "./codec.ts";
import { ExecutionKeys } from "./execution_keys.ts";
import { keyPartition } from "./key_claims.ts";
import { resend } from "./resend.ts";
import { arrive } from "./scripts/arrive.ts";
import type { ArrivalOutcome, Arrivals, ArrivingExecution } from "../../execution/arrivals.ts";
import { isEnded, type StoredEvent } from "../../execution/event.ts";
import { applyEvent, emptyState } from "../../execution/state.ts";
import { encodeEvent } from "../../execution/value.ts";

/** Events that no claim appends. */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["execution.paused", "execution.resumed"]);

/** {@linkcode Arrivals} on Redis. */
export class RedisArrivals implements Arrivals {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;
  readonly #importer = crypto.randomUUID();

  constructor(options: { keys: Keys; commands: RedisConnection }) {
    this.#keys = options.keys;
    this.#commands = options.commands;
  }

  async write({ request, events, result }: ArrivingExecution): Promise<ArrivalOutcome> {
    const keys = this.#keys;
    const { executionId, workflowId, version, trigger, timeoutMs, idempotency, replyEarly = false } = request;
    const { resultTtlSeconds, historyTtlSeconds } = request;
    const state = emptyState();
    for (const event of events) applyEvent(state, event);
    const partition = keys.partitionOf(executionId);
    const own = new ExecutionKeys(keys, executionId);
    // A record that lies elsewhere is not in reach of the script: it is only looked at.
    const isNear = idempotency !== undefined && keyPartition(keys, workflowId, idempotency.key) === partition;
    const recordKey = idempotency &&
      keys.idempotency(keyPartition(keys, workflowId, idempotency.key), workflowId, idempotency.key);
    const stored = result === undefined ? "" : (await encodeResult(result, () => undefined)).stored;
    const [what, near] = await resend(this.#commands, () =>
      arrive(this.#commands, {
        keys: own,
        record: isNear ? recordKey! : own.meta,
        executionId,
        workflowId,
        version,
        trigger,
        status: state.status === "pending" ? "running" : state.status,
        requestedAt: state.requestedAt,
        endedAt: isEnded(state.status) ? state.endedAt! : "",
        sequence: events.filter(({ type }) => !FROM_OUTSIDE.has(type)).length,
        deadline: state.requestedAt + timeoutMs,
        resultTtlSeconds,
        historyTtlSeconds,
        result: stored,
        base: keys.base(partition),
        types: events.map(({ type }) => type).join(),
        fingerprint: isNear ? idempotency.fingerprint : "",
        recordTtlSeconds: idempotency?.ttlSeconds ?? 0,
        replyEarly,
        importer: this.#importer,
        words: wordsOf(events),
      }));
    const far = recordKey === undefined || isNear
      ? null
      : await this.#commands.send<string | null>(["HGET", recordKey, "execution"]);
    const keyOf = near || (far !== executionId && far) || undefined;
    return { what, ...(keyOf !== undefined && { keyOf }) };
  }
}

function wordsOf(events: readonly StoredEvent[]): string[] {
  return events.flatMap((event) => {
    const { data, value } = encodeEvent(event);
    const words = [event.id, event.type, String(event.time), event.node ?? "", data];
    return [...words, value?.member ?? "", value?.name ?? "", value?.json ?? ""];
  });
}
