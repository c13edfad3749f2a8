/**
 * Used idempotency keys, in one namespace a workflow, until they expire.
 */
import { processClock } from "../../lib/clock.ts";
import type { ExecutionRequest } from "../../execution/request.ts";
import { idempotencyKeyReused } from "../../execution/refusals.ts";
import type { Holding } from "./retention.ts";

interface KeyRecord {
  readonly executionId: string;
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

type KeyedRequest = Pick<ExecutionRequest, "executionId" | "workflowId" | "idempotency">;

/** Bytes of a record besides its name, estimated. */
const RECORD_BYTES = 400;

/** Keys and the executions that they started. */
export class IdempotencyKeys implements Holding {
  readonly #records = new Map<string, KeyRecord>();
  /** Sum of the lengths of all names, in characters. */
  #nameBytes = 0;

  get bytes(): number {
    return this.#records.size * RECORD_BYTES + this.#nameBytes;
  }

  /** The execution that this request's key started, if any. Throws `idempotency_key_reused`. */
  find(request: KeyedRequest): string | undefined {
    const { idempotency } = request;
    if (idempotency === undefined) return undefined;
    const name = nameOf(request);
    const record = this.#records.get(name);
    if (record === undefined) return undefined;
    if (record.expiresAt <= processClock.now()) {
      this.#forget(name);
      return undefined;
    }
    if (record.fingerprint !== idempotency.fingerprint) throw idempotencyKeyReused();
    return record.executionId;
  }

  /** Remembers the key of a request that was accepted at `requestedAt`. */
  remember(request: KeyedRequest, requestedAt: number): void {
    const { executionId, idempotency } = request;
    if (idempotency === undefined) return;
    const { fingerprint, ttlSeconds } = idempotency;
    const expiresAt = requestedAt + ttlSeconds * 1000;
    const name = nameOf(request);
    this.#forget(name);
    this.#nameBytes += name.length;
    this.#records.set(name, { executionId, fingerprint, expiresAt });
  }

  /** Drops what has expired. */
  sweep(now: number): void {
    for (const [name, record] of this.#records) if (record.expiresAt <= now) this.#forget(name);
  }

  #forget(name: string): void {
    if (this.#records.delete(name)) this.#nameBytes -= name.length;
  }
}

/** Unambiguous, since both parts are JSON strings. */
function nameOf({ workflowId, idempotency }: KeyedRequest): string {
  return JSON.stringify([workflowId, idempotency?.key]);
}
