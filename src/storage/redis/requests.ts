/**
 * How executions come into Redis: requested for whichever worker, claimed for this instance, or written whole.
 */
import type { Clock } from "../../lib/clock.ts";
import { UnavailableError } from "../../lib/errors.ts";
import { uuidv7 } from "../../lib/uuidv7.ts";
import { localClaim } from "../../execution/claim.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import {
  concurrencyExceeded,
  idempotencyKeyReused,
  logLimit,
  queueFull,
  storageFull,
} from "../../execution/refusals.ts";
import type { Acceptance, ExecutionRequest } from "../../execution/request.ts";
import type { LocalAcceptance, ShortWay, UnwrittenRun } from "../../execution/short_way.ts";
import type { Waiters } from "../../execution/waiters.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { MemoryWatch } from "./connection/memory_watch.ts";
import { isFull } from "./connection/refusal.ts";
import { claimKey, type KeyedRequest, keyPartition, releaseKey } from "./key_claims.ts";
import type { Keys } from "./keys.ts";
import type { LocalLeases } from "./local_leases.ts";
import { QueueRoom } from "./queue_room.ts";
import { recordWords, requestWords } from "./request_words.ts";
import { resend } from "./resend.ts";
import { recordExecution } from "./scripts/record.ts";
import { requestExecution } from "./scripts/request.ts";

/** How many ids that were made and never requested are remembered. */
const MADE = 10_000;

/** What requests are sent with. */
export interface RedisRequestsOptions {
  /** Names of all keys under the prefix of this deployment. */
  readonly keys: Keys;
  /** The connection for commands that do not block. */
  readonly commands: RedisConnection;
  /** The store's clock. */
  readonly clock: Clock;
  /** Refuses new work while too much of `maxmemory` is used. */
  readonly memory: MemoryWatch;
  /** The callers of this instance. */
  readonly waiters: Waiters;
  /** What this instance runs without a work entry. */
  readonly locals: LocalLeases;
  /** Lifetime of a lease that is not renewed, in milliseconds. */
  readonly leaseMs: number;
  /** How many executions may wait or run in one partition. */
  readonly queueLimit: number;
  /** The largest log of an execution. */
  readonly logLimitBytes: number;
  /** Ends an execution whose place a newer one takes. */
  readonly cancel: (executionId: string, options: { reason: string }) => Promise<unknown>;
}

/** Sends requests over one connection. */
export class RedisRequests implements Pick<ExecutionLog, "makeId" | "request">, ShortWay {
  readonly #options: RedisRequestsOptions;
  readonly #room: QueueRoom;
  /** Ids that were made here and that no request has been sent under. */
  readonly #made = new Set<string>();

  constructor(options: RedisRequestsOptions) {
    this.#options = options;
    this.#room = new QueueRoom(options);
  }

  makeId(options: { workflowId: string; limited: boolean; idempotencyKey?: string }): string {
    const { keys } = this.#options;
    const { workflowId, limited, idempotencyKey } = options;
    if (keys.partitions === 1 || (!limited && idempotencyKey === undefined)) return this.#remember(this.#newId());
    const partition = limited ? keys.partitionOf(workflowId) : keyPartition(keys, workflowId, idempotencyKey!);
    for (;;) {
      const id = this.#newId();
      if (keys.partitionOf(id) === partition) return this.#remember(id);
    }
  }

  #newId(): string {
    return uuidv7(this.#options.clock.now());
  }

  /** A new unique id: its first request need not check whether the execution exists. */
  #remember(id: string): string {
    if (this.#made.size >= MADE) this.#made.clear();
    this.#made.add(id);
    return id;
  }

  request(request: ExecutionRequest): Promise<Acceptance> {
    return this.#accept(request, () => this.#request(request));
  }

  start(request: ExecutionRequest, options: { requestedAt?: number } = {}): Promise<LocalAcceptance> {
    const { clock, leaseMs } = this.#options;
    const requestedAt = options.requestedAt ?? clock.now();
    return this.#accept(request, () => this.#request(request, { requestedAt, leaseMs }));
  }

  record(request: ExecutionRequest, run: UnwrittenRun): Promise<Acceptance> {
    return this.#accept(request, () => this.#record(request, run));
  }

  /** Starts an execution with `start` where it lies with its key, or has none. */
  #accept<T extends Acceptance>(request: ExecutionRequest, start: () => Promise<T>): Promise<T | Acceptance> {
    const { idempotency } = request;
    if (idempotency === undefined || this.#options.keys.partitions === 1) return start();
    return this.#acceptAtHome({ ...request, idempotency }, start);
  }

  async #acceptAtHome<T extends Acceptance>(request: KeyedRequest, start: () => Promise<T>): Promise<T | Acceptance> {
    const { keys } = this.#options;
    const { executionId, workflowId, idempotency } = request;
    const home = keyPartition(keys, workflowId, idempotency.key);
    const isAtHome = (id: string) => keys.partitionOf(id) === home;
    if (isAtHome(executionId)) {
      const accepted = await start();
      if (isAtHome(accepted.executionId)) return accepted;
    }
    return await this.#startElsewhere(request, isAtHome);
  }

  /** Requests an execution that does not lie where its key does; see `key_claims.ts`. */
  async #startElsewhere(request: KeyedRequest, isAtHome: (id: string) => boolean): Promise<Acceptance> {
    const { commands } = this.#options;
    const claimed = await resend(commands, () => claimKey(this.#options, request).catch(refuseWhenFull));
    const isOwn = claimed.executionId === request.executionId;
    // What lies with its key was requested in the step that recorded the key.
    if (!isOwn && isAtHome(claimed.executionId)) return { executionId: claimed.executionId, isNew: false };
    try {
      const { executionId, isNew } = await this.#request(claimed);
      return { executionId, isNew: isNew && isOwn };
    } catch (error) {
      if (isOwn && !(error instanceof UnavailableError)) await releaseKey(this.#options, request).catch(() => {});
      throw error;
    }
  }

  /** Requests an execution; with a lease this instance is the one that runs it. */
  async #request(
    request: ExecutionRequest,
    local?: { requestedAt: number; leaseMs: number },
  ): Promise<LocalAcceptance> {
    const { keys, commands, clock, waiters, locals } = this.#options;
    const { executionId } = request;
    const { words, bytes } = requestWords(request, { keys });
    const counts = words.admission !== undefined;
    const { what, executionIds } = await this.#send(
      request,
      { bytes, counts },
      (sending) =>
        requestExecution(commands, words, {
          ...sending,
          time: local?.requestedAt ?? clock.now(),
          leaseMs: local?.leaseMs,
        }),
    );
    if (what === "existing") return { executionId: executionIds[0]!, isNew: false };
    if (what !== "ok" && what !== "local") throw refusal(what, request);
    waiters.appended(executionId);
    await this.#cancelAll(executionIds);
    if (what === "ok") return { executionId, isNew: true };
    const claim = localClaim(request, local!.requestedAt);
    locals.hold(claim);
    return { executionId, isNew: true, claim };
  }

  /** Cancels what a new execution takes the place of. That one is there, whatever becomes of the cancels. */
  async #cancelAll(executionIds: readonly string[]): Promise<void> {
    try {
      for (const id of executionIds) await this.#options.cancel(id, { reason: "A newer execution took its place" });
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      throw new UnavailableError(error.message, { cause: error.cause, mayHaveHappened: true });
    }
  }

  async #record(request: ExecutionRequest, run: UnwrittenRun): Promise<Acceptance> {
    const { keys, commands, waiters, logLimitBytes } = this.#options;
    const { executionId } = request;
    const made = recordWords(request, run, { keys });
    const { words, bytes } = made instanceof Promise ? await made : made;
    // As in an append: a terminal event alone always fits.
    if (bytes > logLimitBytes && run.events.length > 1) throw logLimit(logLimitBytes);
    const send = (sending: Counting) => recordExecution(commands, words, sending);
    const { what, executionIds } = await this.#send(request, { bytes, counts: false }, send);
    if (what === "existing") return { executionId: executionIds[0]!, isNew: false };
    if (what !== "ok") throw refusal(what, request);
    waiters.reply(run.result);
    return { executionId, isNew: true };
  }

  /** Sends one request, again while it has no answer, and counts the queue where that is due. */
  async #send<T extends { what: string; length?: number }>(
    { executionId, idempotency }: ExecutionRequest,
    { bytes, counts }: { bytes: number; counts: boolean },
    send: (sending: Counting) => Promise<T>,
  ): Promise<T> {
    const { keys, commands, memory, locals } = this.#options;
    const partition = keys.partitionOf(executionId);
    const hasRoom = memory.hasRoomFor(bytes);
    if (!hasRoom && idempotency === undefined) throw storageFull();
    memory.count(bytes);
    // Another request with the same key may have requested the same id.
    let again = !this.#made.delete(executionId) || idempotency !== undefined;
    const sendOnce = () => {
      const limit = this.#room.limitOf(partition, { counts });
      // Whether the key has been used is still to be said: with a limit of 0 the script starts nothing. What runs
      // here without a work entry counts too.
      const queueLimit = !hasRoom ? 0 : limit === undefined ? undefined : limit - locals.countIn(partition);
      const sending = { again, queueLimit };
      again = true;
      return send(sending).catch(refuseWhenFull);
    };
    let answer = await resend(commands, sendOnce);
    if (answer.what === "late") answer = await resend(commands, sendOnce);
    if (hasRoom && answer.length !== undefined) this.#room.counted(partition, answer.length);
    if (answer.what === "full" && !hasRoom) throw storageFull();
    return answer;
  }
}

/** What is another at each sending. */
interface Counting {
  /** Whether it may have been sent before. */
  readonly again: boolean;
  /** How many executions may be queued or run; `undefined` where they are not counted. */
  readonly queueLimit: number | undefined;
}

function refuseWhenFull(error: unknown): never {
  throw isFull(error) ? storageFull(error) : error;
}

function refusal(what: string, { workflowId, concurrency }: ExecutionRequest): Error {
  if (what === "reused") return idempotencyKeyReused();
  if (what === "rejected") return concurrencyExceeded(workflowId, concurrency!);
  return queueFull();
}
