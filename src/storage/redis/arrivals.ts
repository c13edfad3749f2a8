/**
 * Takes back what ran in memory while Redis was away: one script an execution.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { encodeResult } from "./codec.ts";
import { ExecutionKeys } from "./execution_keys.ts";
import { claimAtHome, type KeyedRequest, keyPartition, recordOf } from "./key_claims.ts";
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
    const stored = result === undefined ? "" : (await encodeResult(result, () => undefined)).stored;
    const [what, near] = await resend(this.#commands, () =>
      arrive(this.#commands, {
        keys: own,
        record: idempotency === undefined ? own.meta : keys.idempotency(partition, workflowId, idempotency.key),
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
        fingerprint: idempotency?.fingerprint ?? "",
        recordTtlSeconds: idempotency?.ttlSeconds ?? 0,
        replyEarly,
        importer: this.#importer,
        words: wordsOf(events),
      }));
    const far = idempotency && await this.#holderElsewhere({ ...request, idempotency });
    const keyOf = near || (far !== executionId && far) || undefined;
    return { what, ...(keyOf !== undefined && { keyOf }) };
  }

  /** The execution that has a key which lies in another partition than this one: this one, unless there is an earlier. */
  async #holderElsewhere(request: Omit<KeyedRequest, "input">): Promise<string | undefined> {
    const [keys, commands] = [this.#keys, this.#commands];
    const { executionId, workflowId, idempotency } = request;
    if (keyPartition(keys, workflowId, idempotency.key) === keys.partitionOf(executionId)) return undefined;
    const holder = await resend(commands, () => claimAtHome({ keys, commands }, request));
    if (holder !== undefined) return holder.executionId;
    return await commands.send<string | null>(["HGET", recordOf(keys, request), "execution"]) ?? undefined;
  }
}

function wordsOf(events: readonly StoredEvent[]): string[] {
  return events.flatMap((event) => {
    const { data, value } = encodeEvent(event);
    const words = [event.id, event.type, String(event.time), event.node ?? "", data];
    return [...words, value?.member ?? "", value?.name ?? "", value?.json ?? ""];
  });
}
