/**
 * Checks the answers of callers against the expected answers and the logs.
 */
import type { Breach } from "./breach.ts";
import { type Attempt, type Call, isAccepted } from "./call.ts";
import { type Execution, hasEnded, outcomeOf, sameJson } from "./log_check.ts";
import { paced } from "./pace.ts";
import { DEADLINE_SECONDS } from "./workflows.ts";

/** How long past its deadline an answer may come, in milliseconds. */
const LATE_MS = 1000;

/**
 * Breaches of one call, whose executions `found` are those that its key names.
 *
 * @param options.cutOffUntil until when (epoch milliseconds) no answer could be had of Redis: a 504 is all that is left
 */
export function checkCall(
  call: Call,
  found: readonly Execution[],
  { cutOffUntil = 0 }: { cutOffUntil?: number } = {},
): Breach[] {
  const { kind, payload, answer, attempts, replays } = call;
  const breaches: Breach[] = [];
  const breach = (type: Breach["kind"], what: string) => {
    breaches.push({ kind: type, detail: `${kind.id} ${payload.key}: ${what}` });
  };
  for (const attempt of [...attempts, ...replays]) {
    const ms = attempt.endedAt - attempt.sentAt;
    if (ms > DEADLINE_SECONDS * 1000 + paced(LATE_MS)) breach("wedged", `${describe(attempt)} after ${ms} ms`);
  }
  if (found.length > 1) breach("duplicated", `${found.length} executions: ${found.map(({ id }) => id).join(" ")}`);
  if (answer === undefined) {
    if (found.length > 0 && !call.hungUp) breach("wedged", `never answered: ${attempts.map(describe).join("; ")}`);
    return breaches;
  }
  const execution = found.find(({ id }) => id === answer.executionId);
  if (execution === undefined) {
    if (isAccepted(call)) breach("lost", `${describe(answer)}, but there is no such log`);
    else breach("wrong", describe(answer));
    return breaches;
  }
  if (answer.status === 504) {
    const endedAt = execution.events.at(-1)!.time;
    if (answer.endedAt > cutOffUntil && hasEnded(execution) && answer.endedAt - endedAt > paced(LATE_MS)) {
      breach("wedged", `a 504 although it had ended ${answer.endedAt - endedAt} ms before`);
    }
    return breaches;
  }
  const fault = faultOf(call, answer, execution);
  if (fault !== undefined) breach("wrong", `${describe(answer)}: ${fault}`);
  for (const replay of replays) {
    if (replay.status === undefined || replay.status === 503 || replay.status === 504) continue;
    const same = replay.status === answer.status && replay.body === answer.body &&
      replay.executionId === answer.executionId;
    if (!same) breach("duplicated", `first ${describe(answer)}, then ${describe(replay)}`);
  }
  return breaches;
}

/** What is wrong with an answer, if anything is. */
function faultOf({ kind, payload }: Call, answer: Attempt, execution: Execution): string | undefined {
  const expected = kind.expect(payload);
  const body = parse(answer.body ?? "");
  if (answer.status !== expected.status) return `expected the status ${expected.status}`;
  if (expected.body !== undefined && !sameJson(body, expected.body)) {
    return `expected ${JSON.stringify(expected.body)}`;
  }
  if (expected.code !== undefined && (body as { code?: string } | null)?.code !== expected.code) {
    return `expected the code ${expected.code}`;
  }
  if (!hasEnded(execution) || kind.responseMode === "onReceived") return undefined;
  const { status, response } = outcomeOf(execution.events);
  const said = response as { status?: number; body?: unknown } | undefined;
  // What comes after an early response may still fail, by the deadline of the execution in an outage for one.
  const mayFail = kind.responseMode === "responseNode" && said !== undefined;
  if (expected.code === undefined && status !== "completed" && !mayFail) return `the log says ${status}`;
  if (expected.code !== undefined && status !== "failed") return `the log says ${status}`;
  if (said !== undefined && (said.status !== answer.status || !sameJson(said.body, body))) {
    return `the log says ${JSON.stringify(said)}`;
  }
  return undefined;
}

function describe({ instance, status, body, error }: Attempt): string {
  return status === undefined ? `${instance}: ${error}` : `${instance}: ${status} ${body?.slice(0, 300)}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
