/**
 * Submits an execution to this very instance, which has a place for it.
 */
import { AppendRefusedError } from "../lib/errors.ts";
import type { CompiledWorkflow } from "../workflow/definition.ts";
import type { Way } from "./claim.ts";
import { appendRequest } from "./append_request.ts";
import type { ExecutionLog } from "./log.ts";
import { isPure } from "./purity.ts";
import type { Acceptance, ExecutionRequest } from "./request.ts";
import type { LocalPlace, LocalRunner, ShortWay } from "./short_way.ts";

/** What makes the short way. */
export interface ShortWayParts {
  /** Runs executions on this instance. */
  readonly runner: LocalRunner;
  /** Requests an execution and claims it in one step, or records one that has run. */
  readonly shortWay: ShortWay;
}

/** What {@linkcode submitLocally} takes. */
export interface LocalSubmission {
  readonly log: Pick<ExecutionLog, "request">;
  readonly shortWay: ShortWay;
  readonly place: LocalPlace;
  readonly workflow: CompiledWorkflow;
  /** When true, an append whose outcome is unknown is not sent again. */
  readonly isOver: () => boolean;
}

/** What became of a request, and which way it took. */
export interface Accepted extends Acceptance {
  readonly way: Way;
}

/** Resolves once the execution is accepted, which may be at its end. Throws as `appendRequest` does. */
export function submitLocally(request: ExecutionRequest, options: LocalSubmission): Promise<Accepted> {
  return mayRunUnwritten(request, options.workflow) ? runFirst(request, options) : requestFirst(request, options);
}

async function requestFirst(request: ExecutionRequest, options: LocalSubmission): Promise<Accepted> {
  const { shortWay, place, isOver } = options;
  try {
    const accepted = await appendRequest(() => shortWay.start(request), request, isOver);
    const { executionId, isNew, claim } = accepted;
    if (claim === undefined) place.leave();
    else place.run(claim);
    return { executionId, isNew, way: claim === undefined ? "queue" : "local" };
  } catch (error) {
    place.leave();
    throw error;
  }
}

/**
 * Nobody is told anything before the end, nothing can be noticed outside, and nothing has to be held while it runs. So
 * nothing is lost when the process dies before it has written.
 */
export function mayRunUnwritten(request: ExecutionRequest, workflow: CompiledWorkflow): boolean {
  const { replyTo, replyEarly, concurrency, fork } = request;
  if (replyTo === undefined || replyEarly || concurrency !== undefined || fork !== undefined) return false;
  return isPure(workflow);
}

function runFirst(request: ExecutionRequest, options: LocalSubmission): Promise<Accepted> {
  const { log, shortWay, place, isOver } = options;
  return new Promise((resolve, reject) => {
    async function accept<T extends Acceptance>(way: Way, send: () => Promise<T>): Promise<T> {
      try {
        const accepted = await appendRequest(send, request, isOver);
        resolve({ executionId: accepted.executionId, isNew: accepted.isNew, way });
        return accepted;
      } catch (error) {
        // The run ends with that, and is written so.
        if (!(error instanceof AppendRefusedError)) reject(error);
        throw error;
      }
    }
    place.runUnwritten(request, {
      record: (run) =>
        accept("single-write", () => shortWay.record(request, run)).then(({ executionId }) =>
          executionId === request.executionId
        ),
      start: async (requestedAt) => (await accept("local", () => shortWay.start(request, { requestedAt }))).claim,
      handOver: async () => void await accept("queue", () => log.request(request)),
    });
  });
}
