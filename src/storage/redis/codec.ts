/**
 * How claims and results look in Redis, and back.
 */
import type { StreamEntry } from "./streams/stream_replies.ts";
import type { EventData, ExecutionStatus } from "../../execution/event.ts";
import type { Claim } from "../../execution/claim.ts";
import type { ExecutionMeta } from "../../execution/log.ts";
import type { ExecutionResult } from "../../execution/result.ts";
import { quoteJson } from "../../lib/json.ts";
import { LARGE } from "../../execution/value.ts";
import type { StoredOutput } from "./log_entries.ts";

/**
 * A work entry's fields as a claim. The entry of a first delivery carries the request as its event says it, with the
 * input unless that is large; the others, and those of older versions, name what is needed of it.
 */
export function decodeClaim({ id, fields }: StreamEntry): Claim {
  const replyTo = fields.get("replyTo");
  const common: Omit<Claim, "workflowId" | "version" | "trigger" | "input"> = {
    executionId: fields.get("execution") ?? "",
    epoch: Number(fields.get("epoch") ?? 1),
    entryId: id,
    way: "queue",
    replyEarly: fields.get("early") === "1",
    requestedAt: Number(fields.get("at")),
    sequence: Number(fields.get("sequence") ?? 1),
    paused: fields.get("paused") === "1",
    deliveries: Number(fields.get("lost") ?? 0),
    ...(fields.get("external") === "1" && { external: true }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
  const request = fields.get("request");
  if (request !== undefined) {
    const { workflowId, version, trigger, input }: EventData["execution.requested"] = JSON.parse(request);
    return { ...common, workflowId, version, trigger, input };
  }
  const input = fields.get("input");
  return {
    ...common,
    workflowId: fields.get("workflow") ?? "",
    version: Number(fields.get("version")),
    trigger: fields.get("trigger") ?? "",
    ...(input === undefined ? {} : { input: JSON.parse(input) }),
  };
}

/** The fields of a meta hash that a list shows. */
export const META_FIELDS = ["workflow", "version", "status", "requestedAt", "endedAt", "forkOf", "imported"] as const;

/** What HMGET of {@linkcode META_FIELDS} replies, as the port has it; `undefined` when the hash is gone. */
export function decodeMeta(executionId: string, reply: readonly (string | null)[]): ExecutionMeta | undefined {
  const [workflowId, version, status, requestedAt, endedAt, forkOf, imported] = reply;
  if (typeof workflowId !== "string") return undefined;
  return {
    executionId,
    workflowId,
    version: Number(version),
    status: status as ExecutionStatus,
    requestedAt: Number(requestedAt),
    ...(endedAt ? { endedAt: Number(endedAt) } : {}),
    ...(forkOf ? { forkOf } : {}),
    ...(imported ? { imported: true } : {}),
  };
}

/** A result as it is stored: what stands beside the log is only named. */
interface StoredResult extends ExecutionResult {
  readonly responseOf?: string;
  readonly outputOf?: string;
}

/** How a value is stored, if it is the output of a node. */
export type StoredAs = (value: unknown) => StoredOutput | undefined;

/** A {@linkcode StoredResult} as JSON, in which what stands beside the log is only named. */
export function referTo(result: ExecutionResult, storedAs: StoredAs): string {
  const { executionId, status, error, response, output } = result;
  function member(name: string, value: unknown): string {
    if (value === undefined) return "";
    const stored = storedAs(value);
    if (stored?.name !== undefined) return `,"${name}Of":${JSON.stringify(stored.name)}`;
    return `,"${name}":${stored?.json ?? JSON.stringify(value)}`;
  }
  const head = `{"executionId":${quoteJson(executionId)},"status":${quoteJson(status)}`;
  const more = error === undefined ? "" : `,"error":${JSON.stringify(error)}`;
  return `${head}${more}${member("response", response)}${member("output", output)}}`;
}

/** Gets values that stand beside a log. */
export type LoadValues = (executionId: string, names: readonly string[]) => Promise<(string | null)[]>;

/** Reads what {@linkcode referTo} made; `undefined` when a value has expired. */
export async function resolveResult(stored: StoredResult, load: LoadValues): Promise<ExecutionResult | undefined> {
  const { responseOf, outputOf, ...result } = stored;
  const members = Object.entries({ response: responseOf, output: outputOf }).filter(([, name]) => name !== undefined);
  if (members.length === 0) return result;
  const names = [...new Set(members.map(([, name]) => name!))];
  const values = await load(result.executionId, names);
  if (values.some((value) => value === null)) return undefined;
  const parsed = values.map((value) => JSON.parse(value!));
  return { ...result, ...Object.fromEntries(members.map(([member, name]) => [member, parsed[names.indexOf(name!)]])) };
}

/** A result as it is stored. */
export interface EncodedResult {
  readonly stored: string | Uint8Array;
  readonly large: boolean;
}

/** Makes a result ready to be stored: JSON, or past {@linkcode LARGE} gzip of it (RFC 1952). */
export function encodeResult(result: ExecutionResult, storedAs: StoredAs): EncodedResult | Promise<EncodedResult> {
  const json = referTo(result, storedAs);
  return json.length <= LARGE ? { stored: json, large: false } : compress(json);
}

async function compress(json: string): Promise<EncodedResult> {
  const stream = new Blob([json]).stream().pipeThrough(new CompressionStream("gzip"));
  return { stored: Buffer.from(await new Response(stream).arrayBuffer()), large: true };
}

/** Reads a stored result; gzip is told by its magic number. */
export async function decodeResult(stored: Uint8Array, load: LoadValues): Promise<ExecutionResult | undefined> {
  return await resolveResult(await parseResult(stored), load);
}

async function parseResult(stored: Uint8Array): Promise<StoredResult> {
  if (stored[0] !== 0x1f || stored[1] !== 0x8b) return JSON.parse(new TextDecoder().decode(stored));
  const stream = new Blob([stored as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).json();
}
