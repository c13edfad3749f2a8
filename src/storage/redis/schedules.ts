/**
 * Schedules on Redis: all of them under one hash tag.
 */
import type {
  DueSchedules,
  ResumeOptions,
  ScheduleMove,
  ScheduleName,
  ScheduleNote,
  ScheduleRun,
  ScheduleStore,
  StoredSchedule,
  WantedSchedule,
} from "../../schedules/schedule_store.ts";
import type { Schedule } from "../../workflow/definition.ts";
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { resend } from "./resend.ts";
import { claimSchedules } from "./scripts/claim_schedules.ts";
import { moveSchedule } from "./scripts/move_schedule.ts";
import { pauseSchedule, type ScheduleKeys } from "./scripts/schedules.ts";
import { syncSchedules } from "./scripts/sync_schedules.ts";
import { parseEntries } from "./streams/stream_replies.ts";

/** {@linkcode ScheduleStore} on Redis. */
export class RedisSchedules implements ScheduleStore {
  readonly #keys: Keys;
  readonly #commands: RedisConnection;

  constructor({ keys, commands }: { readonly keys: Keys; readonly commands: RedisConnection }) {
    this.#keys = keys;
    this.#commands = commands;
  }

  async sync(workflowId: string, wanted: readonly WantedSchedule[]): Promise<void> {
    const keys = { due: this.#keys.schedules().due, schedules: this.#keys.schedulesOf(workflowId) };
    const rows = wanted.map(({ trigger, next, dueAt }) => ({
      node: trigger.nodeId,
      trigger: JSON.stringify(trigger),
      next: timeText(next),
      dueAt: timeText(dueAt),
    }));
    const base = this.#keys.schedules().base;
    await resend(this.#commands, () => syncSchedules(this.#commands, { keys, workflowId, base, wanted: rows }));
  }

  async claim(options: { count: number; leaseMs: number }): Promise<DueSchedules> {
    const { nextDue, claimed } = await claimSchedules(this.#commands, {
      keys: { due: this.#keys.schedules().due },
      base: this.#keys.schedules().base,
      ...options,
    });
    const due = claimed.map(([workflowId, node, trigger, next, last]) => ({
      workflowId,
      node,
      trigger: JSON.parse(trigger) as Schedule,
      next: Number(next),
      paused: false,
      last: lastRuns(last),
    }));
    return nextDue === "" || nextDue === "inf" ? { due } : { due, nextDueAt: Number(nextDue) };
  }

  async move(moves: readonly ScheduleMove[]): Promise<void> {
    await Promise.all(moves.map((move) => {
      const { workflowId, node, from, next, dueAt, last, notes } = move;
      return resend(this.#commands, () =>
        moveSchedule(this.#commands, {
          keys: this.#keysOf(move),
          workflowId,
          node,
          from: { next: String(from.next), trigger: JSON.stringify(from.trigger) },
          next: timeText(next),
          dueAt: timeText(dueAt),
          last: JSON.stringify(last),
          notes: notes.map((note) => JSON.stringify(note)),
        }));
    }));
  }

  async list(workflowId?: string): Promise<StoredSchedule[]> {
    const ids = workflowId === undefined ? await this.#workflows() : [workflowId];
    const found = await Promise.all(ids.map(async (id) => {
      const words = await this.#commands.send<string[]>(["HGETALL", this.#keys.schedulesOf(id)]);
      return schedulesOf(id, words);
    }));
    return found.flat();
  }

  async notes({ workflowId, node }: ScheduleName, limit: number): Promise<ScheduleNote[]> {
    const key = this.#keys.scheduleNotes(workflowId, node);
    const entries = parseEntries(await this.#commands.send(["XREVRANGE", key, "+", "-", "COUNT", String(limit)]));
    return entries.map(({ fields }) => JSON.parse(fields.get("note")!));
  }

  async pause(name: ScheduleName): Promise<boolean> {
    return await resend(this.#commands, () => pauseSchedule(this.#commands, { keys: this.#keysOf(name), ...name }));
  }

  async resume(name: ScheduleName, { next, dueAt, notes }: ResumeOptions): Promise<boolean> {
    const resume = {
      next: timeText(next),
      dueAt: timeText(dueAt),
      notes: notes.map((note) => JSON.stringify(note)),
    };
    const options = { keys: this.#keysOf(name), ...name, resume };
    return await resend(this.#commands, () => pauseSchedule(this.#commands, options));
  }

  async #workflows(): Promise<string[]> {
    const members = await this.#commands.send<string[]>(["ZRANGE", this.#keys.schedules().due, "0", "-1"]);
    return [...new Set(members.map((member) => member.split(" ")[0]!))].sort();
  }

  #keysOf({ workflowId, node }: ScheduleName): ScheduleKeys {
    return {
      due: this.#keys.schedules().due,
      schedules: this.#keys.schedulesOf(workflowId),
      notes: this.#keys.scheduleNotes(workflowId, node),
    };
  }
}

/** The schedules of a workflow's hash, in the order of their nodes. */
function schedulesOf(workflowId: string, words: readonly string[]): StoredSchedule[] {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < words.length; i += 2) fields.set(words[i]!, words[i + 1]!);
  const nodes = [...fields.keys()].flatMap((field) => field.startsWith("trigger:") ? [field.slice(8)] : []).sort();
  return nodes.map((node) => {
    const next = fields.get(`next:${node}`) ?? "";
    return {
      workflowId,
      node,
      trigger: JSON.parse(fields.get(`trigger:${node}`)!),
      ...(next !== "" && { next: Number(next) }),
      paused: fields.get(`paused:${node}`) === "1",
      last: lastRuns(fields.get(`last:${node}`) ?? ""),
    };
  });
}

function lastRuns(text: string): ScheduleRun[] {
  return text === "" ? [] : JSON.parse(text);
}

function timeText(time: number | undefined): string {
  return time === undefined ? "" : String(time);
}
