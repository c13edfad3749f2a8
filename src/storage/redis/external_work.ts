/**
 * Executions that other programs run, on Redis.
 */
import type { EventData } from "../../execution/event.ts";
import type {
  ExternalClaim,
  ExternalReport,
  ExternalWork,
  LapseOutcome,
  ReportOutcome,
} from "../../execution/external_work.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import type { Clock } from "../../lib/clock.ts";
import { endedWorkers, fromAnywhere } from "../store_rules.ts";
import { Appender, type AppenderOptions } from "./appender.ts";
import { encodeResult } from "./codec.ts";
import { encodeEvents } from "./log_entries.ts";
import type { LogReader } from "./log_reader.ts";
import { resend } from "./resend.ts";
import { report as sendReport } from "./scripts/report.ts";
import { takeExternal } from "./scripts/take_external.ts";

/** What it is made of. */
export interface RedisExternalWorkOptions extends AppenderOptions {
  /** The store's clock. */
  readonly clock: Clock;
  /** Reads logs and the large values beside them. */
  readonly reader: LogReader;
  /** How many claims without progress an execution may have before it becomes a dead letter. */
  readonly maxDeliveries: number;
  /** How long a worker's lease lives. */
  readonly leaseMs: number;
  /** Tells workers that an execution was ended from outside. */
  readonly announce: (executionId: string) => Promise<void>;
}

/** {@linkcode ExternalWork} on Redis. */
export class RedisExternalWork implements ExternalWork {
  readonly #options: RedisExternalWorkOptions;
  readonly #appender: Appender;

  constructor(options: RedisExternalWorkOptions) {
    this.#options = options;
    this.#appender = new Appender(options);
  }

  async take(
    { workflowIds, count, leaseMs }: { workflowIds: readonly string[]; count: number; leaseMs: number },
  ): Promise<ExternalClaim[]> {
    const { keys, commands, maxDeliveries } = this.#options;
    const claims: ExternalClaim[] = [];
    for (const workflowId of fromAnywhere(workflowIds)) {
      for (const partition of fromAnywhere([...Array(keys.partitions).keys()])) {
        if (claims.length === count) return claims;
        const [rows, dead] = await takeExternal(commands, {
          keys: { external: keys.external(partition, workflowId) },
          count: count - claims.length,
          leaseMs,
          base: keys.base(partition),
          maxDeliveries,
        });
        for (const id of dead) await this.#bury(id);
        for (const [executionId, workflow, version, trigger, epoch, leaseExpiresAt, deadline] of rows) {
          claims.push({
            ...{ executionId, workflowId: workflow, version: Number(version), trigger },
            input: await this.#inputOf(executionId),
            epoch: Number(epoch),
            leaseExpiresAt: Number(leaseExpiresAt),
            deadline: Number(deadline),
          });
        }
      }
    }
    return claims;
  }

  async report(report: ExternalReport): Promise<ReportOutcome> {
    const { keys, commands } = this.#options;
    const { executionId, eventId = "", epoch, result } = report;
    const { meta, replyTo } = await this.#replyTo(executionId);
    if (!meta) return "unknown";
    const events = encodeEvents(report.events);
    const { stored, large } = result === undefined
      ? { stored: "", large: false }
      : await encodeResult(result, (value) => events.outputs.get(value));
    const outcome = await resend(commands, () =>
      sendReport(commands, {
        ...this.#appender.words({
          executionId,
          replyTo,
          fence: { epoch: "", sequence: "", writer: "external" },
          events,
          end: {
            reply: result === undefined || replyTo === undefined ? "" : large ? "stored" : "result",
            ...(result !== undefined && { outcome: result.status }),
            payload: stored,
          },
        }),
        name: eventId,
        type: report.events.at(-1)!.type,
        claimEpoch: epoch === undefined ? "" : String(epoch),
      }));
    if (outcome === "gone") return "unknown";
    if (outcome === "ok" || outcome === "paused") return "done";
    // It was refused for want of room: it was not appended, and may come again.
    if (outcome === "limit") await commands.send(["HDEL", keys.meta(executionId), `event:${eventId}`]);
    if (outcome === "ended" || outcome === "limit" || outcome === "internal") return outcome;
    return outcome === "duplicate" || outcome === "stale" ? outcome : "order";
  }

  async endLapsed(executionId: string): Promise<LapseOutcome> {
    const { clock, leaseMs, announce } = this.#options;
    const { meta, replyTo } = await this.#replyTo(executionId);
    if (!meta) return "over";
    const error = { code: "execution_timeout", message: "The execution was silent past its deadline" };
    const result: ExecutionResult = { executionId, status: "failed", error };
    const outcome = await this.#appender.end(
      { executionId, replyTo },
      { type: "execution.failed", time: clock.now(), data: { error } },
      { reply: replyTo === undefined ? "" : "result", outcome: "failed", payload: JSON.stringify(result) },
      { leaseMs },
    );
    if (outcome === "early" || outcome === "leased") return outcome;
    if (outcome !== "ok") return "over";
    await announce(executionId);
    return "ended";
  }

  async #replyTo(executionId: string): Promise<{ meta: boolean; replyTo: string | undefined }> {
    const { keys, commands } = this.#options;
    const [replyTo, epoch] = await commands.send<(string | null)[]>(
      ["HMGET", keys.meta(executionId), "replyTo", "epoch"],
    );
    return { meta: typeof epoch === "string", replyTo: replyTo || undefined };
  }

  async #inputOf(executionId: string): Promise<EventData["execution.requested"]["input"]> {
    for await (const [event] of this.#options.reader.pages(executionId, { limit: 1 })) {
      if (event?.type === "execution.requested") return event.data.input;
    }
    return null;
  }

  /** Ends what was handed out too often without progress. */
  async #bury(executionId: string): Promise<void> {
    const { clock, maxDeliveries } = this.#options;
    const { replyTo } = await this.#replyTo(executionId);
    const error = endedWorkers(maxDeliveries);
    const result: ExecutionResult = { executionId, status: "failed", error };
    await this.#appender.end(
      { executionId, replyTo },
      { type: "execution.failed", time: clock.now(), data: { error } },
      {
        reply: replyTo === undefined ? "" : "result",
        outcome: "failed",
        payload: JSON.stringify(result),
        deadLetter: JSON.stringify(error),
      },
    );
  }
}
