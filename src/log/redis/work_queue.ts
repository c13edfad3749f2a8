/**
 * The work streams: one consumer group, `workers`, in which every worker is a consumer under its instance's name.
 *
 * Invariants:
 * 1. A work entry is deleted in the step that ends its execution, never before.
 * 2. What was handed to a connection that died is read again (`XREADGROUP … 0`) before anything new.
 * 3. What this instance holds has its lease renewed; what nobody has renewed for a lease is taken over, under a
 *    higher epoch.
 */
import { FencedError } from "../../errors.ts";
import type { RedisConnection, Reply } from "../../redis/connection.ts";
import type { Keys } from "../../redis/keys.ts";
import { runScript } from "../../redis/script.ts";
import { parseEntries, parseStreams, type StreamEntry } from "../../redis/stream_reader.ts";
import type { AppendOptions, Claim, FinishOptions, WaitOptions, WorkQueue } from "../port.ts";
import { encodeEvents, encodeResult } from "./codec.ts";
import { resend } from "./resend.ts";
import { APPEND, CLAIM, LEASE } from "./scripts.ts";

/** What a work queue is made of. */
export interface WorkQueueOptions {
  readonly keys: Keys;
  readonly commands: RedisConnection;
  /** Opens the connection that blocked reads have to themselves. */
  readonly openBlocked: () => Promise<RedisConnection>;
  /** The consumer's name. */
  readonly instance: string;
  readonly group: string;
  readonly leaseMs: number;
  readonly onError: (error: unknown) => void;
}

/** {@linkcode WorkQueue} on Redis Streams. */
export class RedisWorkQueue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  /** What this instance runs, by `<partition> <entry id>`. */
  readonly #held = new Map<string, Claim>();
  readonly #lost: ((executionId: string) => void)[] = [];
  /** Taken over by the lease keeper, waiting to be taken. */
  readonly #takenOver: Claim[] = [];
  #blocked: Promise<RedisConnection> | undefined;
  #keeper: ReturnType<typeof setInterval> | undefined;
  /** How much the blocked take has room for; nothing is taken over while no one waits for work. */
  #room = 0;
  #drain = true;
  #keeping = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  async take(options: WaitOptions & { count: number; blockMs: number }): Promise<Claim[]> {
    const { signal, count, blockMs } = options;
    this.#blocked ??= this.#open();
    const blocked = await this.#blocked.catch((error) => {
      this.#blocked = undefined;
      throw error;
    });
    if (this.#takenOver.length > 0) return this.#takenOver.splice(0, count);
    this.#room = count;
    const wake = () => this.#unblock(blocked);
    signal.addEventListener("abort", wake, { once: true });
    try {
      if (signal.aborted) return [];
      if (this.#drain) {
        const missed = await this.#read(blocked, { count: 1000, id: "0" });
        this.#drain = false;
        if (missed.length > 0) return missed;
      }
      // What was handed out last is answered first: the blocking read is written a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      const claims = await this.#read(blocked, { count, id: ">", blockMs });
      return claims.length > 0 ? claims : this.#takenOver.splice(0, count);
    } catch (error) {
      if (!(error instanceof Error) || !/^(NOGROUP|UNBLOCKED)/.test(error.message)) throw error;
      await this.#makeGroups();
      return [];
    } finally {
      this.#room = 0;
      signal.removeEventListener("abort", wake);
    }
  }

  async append(claim: Claim, options: AppendOptions): Promise<void> {
    const { reply } = options;
    const early = reply === undefined || claim.replyTo === undefined ? undefined : JSON.stringify(reply);
    await this.#send(claim, options, { reply: early === undefined ? "" : "early", result: early ?? "" });
  }

  async finish(claim: Claim, options: FinishOptions): Promise<void> {
    const { result, resultTtlSeconds, historyTtlSeconds } = options;
    const { stored, large } = await encodeResult(result);
    await this.#send(claim, options, {
      reply: claim.replyTo === undefined ? "" : large ? "stored" : "result",
      status: result.status,
      result: stored,
      resultTtlSeconds,
      historyTtlSeconds,
    });
    this.#held.delete(this.#holding(claim));
  }

  release(claim: Claim): void {
    this.#held.delete(this.#holding(claim));
  }

  onLost(listener: (executionId: string) => void): void {
    this.#lost.push(listener);
  }

  /** Tells those who listen that an execution no longer belongs here. */
  lose(executionId: string): void {
    for (const listener of this.#lost) listener(executionId);
  }

  /** Closes the blocked connection; what is held stays pending, to be taken over. */
  async close(): Promise<void> {
    clearInterval(this.#keeper);
    (await this.#blocked?.catch(() => undefined))?.close();
  }

  async #open(): Promise<RedisConnection> {
    await this.#makeGroups();
    const blocked = await this.#options.openBlocked();
    blocked.onReady(() => {
      this.#drain = true;
    });
    const everyMs = Math.max(100, this.#options.leaseMs / 3);
    this.#keeper ??= setInterval(() => this.#keep().catch(this.#options.onError), everyMs);
    return blocked;
  }

  async #makeGroups(): Promise<void> {
    const { keys, commands, group } = this.#options;
    for (const name of keys.each((partition) => keys.work(partition))) await makeGroup(commands, name, group);
  }

  async #read(
    blocked: RedisConnection,
    { count, id, blockMs }: { count: number; id: "0" | ">"; blockMs?: number },
  ): Promise<Claim[]> {
    const { keys, instance, group } = this.#options;
    const names = keys.each((partition) => keys.work(partition));
    const block = blockMs === undefined ? [] : ["BLOCK", String(blockMs)];
    const reply = await blocked.send([
      ...["XREADGROUP", "GROUP", group, instance, "COUNT", String(count), ...block],
      ...["STREAMS", ...names, ...names.map(() => id)],
    ], { deadlineMs: (blockMs ?? 0) + 2000 });
    const claims: Claim[] = [];
    for (const [name, entries] of parseStreams(reply)) {
      const partition = names.indexOf(name);
      for (const entry of entries) {
        if (this.#held.has(`${partition} ${entry.id}`)) continue;
        claims.push(this.#hold(partition, decodeClaim(entry)));
      }
    }
    return claims;
  }

  /** Renews the leases of what is held, and takes over what has lapsed while there is room. */
  async #keep(): Promise<void> {
    const { keys, commands, instance, group, leaseMs } = this.#options;
    if (this.#keeping || !commands.ready) return;
    this.#keeping = true;
    try {
      for (let partition = 0; partition < keys.partitions; partition++) {
        const prefix = `${partition} `;
        const held = [...this.#held.keys()].filter((key) => key.startsWith(prefix)).map((key) =>
          key.slice(prefix.length)
        );
        const room = Math.max(0, Math.min(100, this.#room - this.#takenOver.length));
        const [lost, taken] = await runScript<[string[], Reply[]]>(commands, LEASE, {
          keys: [keys.work(partition)],
          args: [group, instance, String(leaseMs), String(room), ...held.slice(0, 5000)],
        });
        for (const entryId of lost) this.#loseEntry(`${partition} ${entryId}`);
        for (const entry of parseEntries(taken)) await this.#takeOver(partition, entry);
      }
    } finally {
      this.#keeping = false;
    }
    if (this.#takenOver.length > 0) this.#unblock(await this.#blocked!);
  }

  async #takeOver(partition: number, entry: StreamEntry): Promise<void> {
    const { keys, commands, group } = this.#options;
    const { input: _input, ...claim } = decodeClaim(entry);
    if (this.#held.has(`${partition} ${entry.id}`)) return;
    const epoch = await runScript<string>(commands, CLAIM, {
      keys: [keys.meta(claim.executionId), keys.work(partition)],
      args: [group, entry.id],
    });
    if (epoch === "") return;
    this.#takenOver.push(this.#hold(partition, { ...claim, epoch: Number(epoch), sequence: undefined }));
  }

  #loseEntry(key: string): void {
    const claim = this.#held.get(key);
    if (claim === undefined) return;
    this.#held.delete(key);
    this.lose(claim.executionId);
  }

  #hold(partition: number, claim: Claim): Claim {
    this.#held.set(`${partition} ${claim.entryId}`, claim);
    return claim;
  }

  #holding(claim: Claim): string {
    return `${this.#options.keys.partitionOf(claim.executionId)} ${claim.entryId}`;
  }

  #unblock(blocked: RedisConnection): void {
    this.#options.commands.send(["CLIENT", "UNBLOCK", String(blocked.id)]).catch(this.#options.onError);
  }

  async #send(
    claim: Claim,
    { sequence, events }: AppendOptions,
    end: {
      reply: string;
      result: string | Uint8Array;
      status?: string;
      resultTtlSeconds?: number;
      historyTtlSeconds?: number;
    },
  ): Promise<void> {
    const { keys, commands, group } = this.#options;
    const { executionId, epoch, replyTo } = claim;
    const partition = keys.partitionOf(executionId);
    const work = keys.work(partition);
    const answer = await resend(() =>
      runScript<string>(commands, APPEND, {
        keys: [
          keys.meta(executionId),
          keys.log(executionId),
          keys.feed(partition),
          work,
          keys.result(executionId),
          replyTo === undefined ? work : keys.inbox(partition, replyTo),
        ],
        args: [
          executionId,
          String(epoch),
          String(sequence),
          events.map(({ type }) => type).join(),
          end.reply,
          end.status ?? "",
          end.result,
          String(end.resultTtlSeconds ?? 0),
          String(end.historyTtlSeconds ?? 0),
          group,
          ...encodeEvents(events),
        ],
      }), RESEND_DELAYS_MS);
    if (answer !== "ok") {
      this.release(claim);
      throw new FencedError(`Epoch ${epoch} of ${executionId} may not append: ${answer}`);
    }
  }
}

/** A worker tries longer than a caller would wait: nobody else can write for it while its lease lives. */
const RESEND_DELAYS_MS = [50, 100, 200, 400, 800, 1600, 2000, 2000];

/** Makes a consumer group from the stream's beginning, if it is not there. */
export async function makeGroup(commands: RedisConnection, stream: string, group: string): Promise<void> {
  try {
    await commands.send(["XGROUP", "CREATE", stream, group, "0", "MKSTREAM"]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("BUSYGROUP")) throw error;
  }
}

function decodeClaim({ id, fields }: StreamEntry): Claim {
  const input = fields.get("input");
  const replyTo = fields.get("replyTo");
  return {
    executionId: fields.get("execution") ?? "",
    workflowId: fields.get("workflow") ?? "",
    version: Number(fields.get("version")),
    trigger: fields.get("trigger") ?? "",
    epoch: Number(fields.get("epoch")),
    entryId: id,
    replyEarly: fields.get("early") === "1",
    requestedAt: Number(fields.get("at")),
    sequence: 1,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(input === undefined ? {} : { input: JSON.parse(input) }),
  };
}
