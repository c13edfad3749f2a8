/**
 * How executions come into the memory driver: requested for whichever worker, claimed for this process, or written whole.
 */
import { processClock } from "../../lib/clock.ts";
import { uuidv7 } from "../../lib/uuidv7.ts";
import type { JsonValue } from "../../lib/json.ts";
import type { Claim, Way } from "../../execution/claim.ts";
import type { EventData, LogEvent } from "../../execution/event.ts";
import type { ExecutionLog } from "../../execution/log.ts";
import { concurrencyExceeded, logLimit, queueFull } from "../../execution/refusals.ts";
import { type Acceptance, type ExecutionRequest, requestedData } from "../../execution/request.ts";
import type { LocalAcceptance, ShortWay, UnwrittenRun } from "../../execution/short_way.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { type KeptEvent, restoreEvent } from "./kept.ts";
import { type MemoryExecution, type MemoryState, sumOf } from "./state.ts";

/** What an execution takes besides its log and its result, about. */
const EXECUTION_BYTES = 1024;

/** What requests are made of. */
export interface MemoryRequestsOptions {
  /** The executions in memory. */
  readonly state: MemoryState;
  /** The queue of what is to run. */
  readonly dispatcher: Dispatcher;
  /** How many executions may be in line, on the work queue, or with a worker. */
  readonly queueLimit: number;
  /** The largest log of an execution. */
  readonly logLimitBytes: number;
}

/** An execution that was added, and what is to be appended to it. */
interface Added {
  readonly acceptance: Acceptance;
  readonly execution: MemoryExecution;
  readonly kept: readonly KeptEvent[];
}

/** Takes requests. Its methods are `async`, so that a refusal is a rejection; each is one step, since none awaits. */
export class MemoryRequests implements Pick<ExecutionLog, "makeId" | "request">, ShortWay {
  readonly #options: MemoryRequestsOptions;

  constructor(options: MemoryRequestsOptions) {
    this.#options = options;
  }

  makeId(): string {
    return uuidv7(processClock.now());
  }

  // deno-lint-ignore require-await
  async request(request: ExecutionRequest): Promise<Acceptance> {
    const accepted = this.#accept(request, processClock.now());
    if ("execution" in accepted) this.#options.dispatcher.start(accepted.execution);
    return accepted.acceptance;
  }

  // deno-lint-ignore require-await
  async start(request: ExecutionRequest, options: { requestedAt?: number } = {}): Promise<LocalAcceptance> {
    const { dispatcher, state } = this.#options;
    const accepted = this.#accept(request, options.requestedAt ?? processClock.now());
    if (!("execution" in accepted)) return accepted.acceptance;
    const { acceptance, execution } = accepted;
    dispatcher.start(execution);
    if (execution.place !== "queued") return acceptance;
    dispatcher.hold(execution);
    return { ...acceptance, claim: claimOf(execution, { entryId: state.nextId(), way: "local" }) };
  }

  // deno-lint-ignore require-await
  async record(request: ExecutionRequest, { requestedAt, events, result }: UnwrittenRun): Promise<Acceptance> {
    const { dispatcher } = this.#options;
    const accepted = this.#accept(request, requestedAt, events);
    if (!("execution" in accepted)) return accepted.acceptance;
    const { acceptance, execution, kept } = accepted;
    execution.sequence += kept.length;
    dispatcher.end(execution, { events: kept, result, writer: 1 });
    return acceptance;
  }

  /** Adds an execution, unless there was one; `more` is what is to be appended in the same step. */
  #accept(
    request: ExecutionRequest,
    requestedAt: number,
    more: readonly LogEvent[] = [],
  ): { acceptance: Acceptance } | Added {
    const { state, logLimitBytes } = this.#options;
    const { executionId } = request;
    if (state.find(executionId) !== undefined) return { acceptance: { executionId, isNew: true } };
    const earlier = state.keys.find(request);
    if (earlier !== undefined) return { acceptance: { executionId: earlier, isNew: false } };
    this.#refuseExcess(request);
    const execution = makeExecution(request, requestedAt);
    const requested = this.#keepRequest(request, requestedAt);
    const kept = state.keep(more);
    const bytes = requested.bytes + sumOf(kept);
    // As in an append: a terminal event alone always fits.
    if (kept.length > 1 && bytes > logLimitBytes) throw logLimit(logLimitBytes);
    state.retention.admit(EXECUTION_BYTES + bytes);
    state.executions.set(executionId, execution);
    state.retention.grow(execution, EXECUTION_BYTES);
    state.append(execution, [requested]);
    state.keys.remember(request, requestedAt);
    return { acceptance: { executionId, isNew: true }, execution, kept };
  }

  #refuseExcess(request: ExecutionRequest): void {
    const { workflowId, concurrency } = request;
    const { state, dispatcher, queueLimit } = this.#options;
    if (state.queued >= queueLimit) throw queueFull();
    if (concurrency?.onOverlap !== "reject" || dispatcher.slots.isFree(request)) return;
    throw concurrencyExceeded(workflowId, concurrency);
  }

  #keepRequest(request: ExecutionRequest, time: number): KeptEvent {
    return this.#options.state.keep([{ type: "execution.requested", time, data: requestedData(request) }])[0]!;
  }
}

function makeExecution({ input: _input, ...request }: ExecutionRequest, requestedAt: number): MemoryExecution {
  return {
    request,
    requestedAt,
    events: [],
    status: "pending",
    place: "suspended",
    epoch: 0,
    sequence: 1,
    writer: 0,
    deliveries: 0,
    bytes: 0,
    logBytes: 0,
    ...(request.external !== undefined && {
      external: { isTaken: false, leaseUntil: 0, leaseMs: 0, names: new Set() },
    }),
  };
}

/** The claim of an execution that a worker was given. */
export function claimOf(execution: MemoryExecution, { entryId, way }: { entryId: string; way: Way }): Claim {
  const { request, requestedAt, epoch, sequence, status, deliveries } = execution;
  const { executionId, workflowId, version, trigger, replyTo, replyEarly = false, fork } = request;
  return {
    executionId,
    workflowId,
    version,
    trigger,
    epoch,
    entryId,
    way,
    replyEarly,
    requestedAt,
    sequence,
    paused: status === "paused",
    deliveries,
    ...(request.external !== undefined && { external: true as const }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(epoch === 1 && fork === undefined ? { input: inputOf(execution) } : {}),
  };
}

function inputOf({ events }: MemoryExecution): JsonValue {
  return (restoreEvent(events[0]!).data as EventData["execution.requested"]).input;
}
