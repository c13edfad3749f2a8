/**
 * Every key name is made here; those of locks, caches and so on in `lock_keys.ts` and the other `…_keys.ts`, from the same prefix.
 *
 * What one execution touches lies in one partition: `{p}` is the hash tag of its slot.
 */
import { fnv1a } from "../../lib/fnv1a.ts";

/** Names of all keys under one prefix. */
export class Keys {
  readonly #prefix: string;
  readonly partitions: number;

  /** @param options.prefix `mr:` by default; @param options.partitions 1 by default */
  constructor(options: { prefix?: string; partitions?: number } = {}) {
    this.#prefix = options.prefix ?? "mr:";
    this.partitions = options.partitions ?? 1;
  }

  /** The partition of an execution, or of a session's mailbox: FNV-1a (32 bit) of its id, modulo their count. */
  partitionOf(executionId: string): number {
    if (this.partitions === 1) return 0;
    return fnv1a(executionId) % this.partitions;
  }

  /** One name for each partition, from partition 0 on. */
  each(name: (partition: number) => string): string[] {
    return Array.from({ length: this.partitions }, (_, partition) => name(partition));
  }

  /**
   * The prefix of a partition's names, for scripts that find executions by themselves: they append `timers`, `work`,
   * `dead-letters`, `dead:<execution>`, `values:<execution>`, `meta:<execution>`, `execution:result:<execution>`,
   * `external:<workflow>`, `slots:<group>`, `admission:<group>` (a group is a workflow, or `<workflow>:<digest>` for a lock),
   * `locked:<workflow>`, `index:…`, `daily:<day>` or `daily-past:<day>`; of a lock `lock:<name>`, `lock-shared:<name>`,
   * `lock-sharers:<name>`, `lock-queue:<name>`, `lock-fence`, `locks` or `lock-wakes:<instance>`.
   */
  base(partition: number): string {
    return `${this.#prefix}{${partition}}:`;
  }

  work(partition: number): string {
    return `${this.#prefix}{${partition}}:work`;
  }

  feed(partition: number): string {
    return `${this.#prefix}{${partition}}:feed`;
  }

  log(executionId: string): string {
    return this.#of("log", executionId);
  }

  meta(executionId: string): string {
    return this.#of("meta", executionId);
  }

  result(executionId: string): string {
    return this.#of("execution:result", executionId);
  }

  /** Hash of the values that are too large to stand in the log, by the node whose output they are. */
  values(executionId: string): string {
    return this.#of("values", executionId);
  }

  /** What is being imported, until it is put in its place. */
  staged(executionId: string, part: string): string {
    return this.#of("staged", `${executionId}:${part}`, executionId);
  }

  /** Sorted set of the ids of an execution's forks, all of score 0. */
  forks(executionId: string): string {
    return this.#of("forks", executionId);
  }

  /** The progress document. */
  state(executionId: string): string {
    return this.#of("state", executionId);
  }

  /** Sorted set of executions that wait, scored with the time (ms) at which they go on; and `admit:<group>`. */
  timers(partition: number): string {
    return `${this.#prefix}{${partition}}:timers`;
  }

  /** Sorted set of the dead letters' execution ids, all of score 0. */
  deadLetters(partition: number): string {
    return `${this.#prefix}{${partition}}:dead-letters`;
  }

  /** Hash of one dead letter. */
  deadLetter(executionId: string): string {
    return this.#of("dead", executionId);
  }

  /** Stream of dead letters as they were kept once; it is read and no longer written. */
  dead(partition: number): string {
    return `${this.#prefix}{${partition}}:dead`;
  }

  /** Sorted set of the executions that hold a workflow's slots, scored with the end of their lease (ms). */
  slots(partition: number, workflowId: string): string {
    return `${this.#prefix}{${partition}}:slots:${workflowId}`;
  }

  /** Sorted set of the executions that wait for admission to a workflow's slots, all of score 0. */
  admission(partition: number, workflowId: string): string {
    return `${this.#prefix}{${partition}}:admission:${workflowId}`;
  }

  /** Sorted set of a workflow's executions for other programs, scored with the end of their lease (ms), 0 before the first. */
  external(partition: number, workflowId: string): string {
    return `${this.#prefix}{${partition}}:external:${workflowId}`;
  }

  /** Hash of the execution that an idempotency key made, and the fingerprint of its request. */
  idempotency(partition: number, workflowId: string, key: string): string {
    return `${this.#prefix}{${partition}}:idempotency:${workflowId}:${key}`;
  }

  /** A key that an instance writes to see that Redis takes writes. */
  probe(instance: string): string {
    return `${this.#prefix}probe:${instance}`;
  }

  inbox(partition: number, instance: string): string {
    return `${this.#prefix}{${partition}}:inbox:${instance}`;
  }

  /** Sorted set of execution ids, all of score 0: sorted by id, which as a UUIDv7 begins with its time. */
  index(partition: number, which: "all" | `workflow:${string}` | `status:${string}`): string {
    return `${this.#prefix}{${partition}}:index:${which}`;
  }

  /**
   * Sorted set of `<id> <status> <workflow> <day> <duration> <bucket>`, scored with the time at which the indexes forget
   * it: while an execution is in it, it is counted. Of one that was imported, the first three: it is not counted.
   */
  expiry(partition: number): string {
    return `${this.#prefix}{${partition}}:index-expiry`;
  }

  /** What a rebuild found in {@linkcode expiry} and has not counted again: who expires first is counted from here. */
  expiryBefore(partition: number): string {
    return `${this.#prefix}{${partition}}:index-expiry-before`;
  }

  /** Hash of the counters of one UTC day, by `<workflow> <name>`. */
  daily(partition: number, day: string): string {
    return `${this.#prefix}{${partition}}:daily:${day}`;
  }

  /** The part of {@linkcode daily} that comes from executions which the indexes have forgotten. */
  dailyPast(partition: number, day: string): string {
    return `${this.#prefix}{${partition}}:daily-past:${day}`;
  }

  /** The newest version of a definition. */
  workflow(id: string): string {
    return `${this.#prefix}workflow:${id}`;
  }

  /** One version of a definition. */
  workflowVersion(id: string, version: number): string {
    return `${this.#prefix}workflow:${id}:version:${version}`;
  }

  /** Counts a workflow's versions, past its deletion. */
  workflowCounter(id: string): string {
    return `${this.#prefix}workflow:${id}:counter`;
  }

  /** Hash of workflow id to newest version. */
  workflows(): string {
    return `${this.#prefix}workflows`;
  }

  /** Hash of `<method> <path>` to workflow id. */
  webhooks(): string {
    return `${this.#prefix}webhooks`;
  }

  /** A session's document. No other key begins like it. */
  session(id: string): string {
    return `${this.#prefix}session:${id}`;
  }

  /** The pattern of all sessions' documents for `SCAN`, and where in a name the id begins. */
  sessions(): { pattern: string; start: number } {
    const begin = this.session("");
    return { pattern: `${begin.replace(/[\\*?[\]]/g, "\\$&")}*`, start: begin.length };
  }

  /** The state of a workflow in the designer. */
  designer(workflowId: string): string {
    return this.#of("designer", workflowId);
  }

  /** Stream of what was posted to a box: of a session, or of a workflow in the designer. */
  mailbox(box: string, id: string): string {
    return this.#of(`mailbox:${box}`, id);
  }

  /** Stream of the newest events of all sessions in a partition. */
  recentEvents(partition: number): string {
    return `${this.#prefix}{${partition}}:recent-events`;
  }

  /** `due`: sorted set of "<workflow> <node>", scored with its time (ms); `base`: scripts append to it as below. */
  schedules(): { readonly due: string; readonly base: string } {
    const base = `${this.#prefix}{schedules}:`;
    return { due: `${base}due`, base };
  }

  /** Hash of a workflow's schedules: `trigger:<node>`, `next:<node>`, `paused:<node>`, `last:<node>`. */
  schedulesOf(workflowId: string): string {
    return `${this.schedules().base}of:${workflowId}`;
  }

  /** Stream of what did not go by the clock in one schedule. */
  scheduleNotes(workflowId: string, node: string): string {
    return `${this.schedules().base}notes:${workflowId}:${node}`;
  }

  /** Sorted set of the calls in one window, each its own time (µs). */
  rate(name: string): string {
    return this.#of("rate", name);
  }

  /** The calls in a window, as in {@linkcode rate}; the line before it by arrival, and by when places are lost (µs). */
  turn(part: "calls" | "line" | "dues", name: string): string {
    return this.#of(`turn-${part}`, name);
  }

  /** Stream on which instances tell each other what changed. */
  control(): string {
    return `${this.#prefix}control`;
  }

  /** What all instances agreed on: how many partitions there are, and of which kind documents are. */
  agreed(on: "partitions" | "documents"): string {
    return `${this.#prefix}${on}`;
  }

  #of(kind: string, name: string, executionId = name): string {
    return `${this.#prefix}{${this.partitionOf(executionId)}}:${kind}:${name}`;
  }
}
