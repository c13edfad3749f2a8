/**
 * How events, results and feed entries look in Redis, and back.
 */
import type { StreamEntry } from "../../redis/stream_replies.ts";
import type { ExecutionStatus, LogEvent, StoredEvent } from "../event.ts";
import type { Claim, ExecutionMeta, ExecutionResult, FeedEntry } from "../port.ts";

/** Past this many characters a result is stored as gzip, and only referred to from streams. */
export const LARGE = 32 * 1024;

/** A log entry's fields as an event: `type`, `time`, `node` (if any), `data` (one JSON text). */
export function decodeEvent({ id, fields }: StreamEntry): StoredEvent {
  const node = fields.get("node");
  return {
    id,
    type: fields.get("type"),
    time: Number(fields.get("time")),
    ...(node === undefined ? {} : { node }),
    data: JSON.parse(fields.get("data") ?? "{}"),
  } as StoredEvent;
}

/** A work entry's fields as a claim. Only the entry of a first delivery may carry the input. */
export function decodeClaim({ id, fields }: StreamEntry): Claim {
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
    sequence: Number(fields.get("sequence") ?? 1),
    paused: fields.get("paused") === "1",
    limited: fields.get("limited") === "1",
    deliveries: Number(fields.get("lost") ?? 0),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(input === undefined ? {} : { input: JSON.parse(input) }),
  };
}

/** Events as the words that {@linkcode APPEND} takes. */
export function encodeEvents(events: readonly LogEvent[]): string[] {
  const words: string[] = [];
  for (const { type, time, node, data } of events) words.push(type, String(time), node ?? "", JSON.stringify(data));
  return words;
}

/** A feed entry's fields as the port has them. */
export function decodeFeedEntry({ id, fields }: StreamEntry, partition: number): FeedEntry {
  const status = fields.get("status");
  const number = (name: string) => Number(fields.get(name));
  return {
    id,
    partition,
    executionId: fields.get("execution") ?? "",
    workflowId: fields.get("workflow") ?? "",
    version: number("version"),
    first: fields.get("first") ?? "",
    last: fields.get("last") ?? "",
    types: (fields.get("types") ?? "").split(","),
    ...(status === undefined ? {} : {
      ended: {
        status: status as ExecutionStatus,
        requestedAt: number("requestedAt"),
        endedAt: number("endedAt"),
        keptUntil: number("keptUntil"),
      },
    }),
  };
}

/** The fields of a meta hash that a list shows. */
export const META_FIELDS = ["workflow", "version", "status", "requestedAt", "endedAt"] as const;

/** What HMGET of {@linkcode META_FIELDS} replies, as the port has it; `undefined` when the hash is gone. */
export function decodeMeta(executionId: string, reply: readonly (string | null)[]): ExecutionMeta | undefined {
  const [workflowId, version, status, requestedAt, endedAt] = reply;
  if (typeof workflowId !== "string") return undefined;
  return {
    executionId,
    workflowId,
    version: Number(version),
    status: status as ExecutionStatus,
    requestedAt: Number(requestedAt),
    ...(endedAt ? { endedAt: Number(endedAt) } : {}),
  };
}

/** A result as it is stored: JSON, or past {@linkcode LARGE} gzip of it (RFC 1952). */
export async function encodeResult(result: ExecutionResult): Promise<{ stored: string | Uint8Array; large: boolean }> {
  const json = JSON.stringify(result);
  if (json.length <= LARGE) return { stored: json, large: false };
  const stream = new Blob([json]).stream().pipeThrough(new CompressionStream("gzip"));
  return { stored: Buffer.from(await new Response(stream).arrayBuffer()), large: true };
}

/** Reads a stored result; gzip is told by its magic number. */
export async function decodeResult(stored: Uint8Array): Promise<ExecutionResult> {
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return JSON.parse(new TextDecoder().decode(stored));
  const stream = new Blob([stored as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).json();
}
