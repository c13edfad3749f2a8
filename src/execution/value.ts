/**
 * The values of an execution: the trigger's output and the outputs of its nodes. They are what makes events heavy, so
 * past {@linkcode LARGE} a driver keeps each one beside its event, under the node's name, and whoever wants to know
 * only what happened reads events without loading them.
 *
 * @example
 * ```ts
 * const { data, value } = encodeEvent(event);
 * const same = decodeEvent({ ...event, data, ...(value && { value: { member: value.member, json: value.json } }) });
 * ```
 */
import { type JsonValue, quoteJson } from "../lib/json.ts";
import type { LogEvent, StoredEvent } from "./event.ts";

/** Past this many characters of JSON a value is kept beside its event, and a result is only referred to. */
export const LARGE = 32 * 1024;

/** The member of an event's `data` that is a value. */
export type ValueMember = "input" | "output";

/** A value that is kept beside its event. */
export interface LargeValue {
  readonly member: ValueMember;
  /** Of the node whose output it is: unique in a log, since a node completes once. */
  readonly name: string;
  readonly json: string;
}

/** The `data` of an event as JSON; where its value is large, `null` stands for it. */
export interface EncodedData {
  readonly data: string;
  readonly value?: LargeValue;
  /** The value, large or not; absent where the event has none. */
  readonly json?: string;
}

/** What a driver kept of an event; a `value` without `json` was not loaded, and reads as `null`. */
export interface EncodedEvent {
  readonly id: string;
  readonly type: string;
  readonly time: number;
  readonly node?: string | undefined;
  readonly data: string;
  readonly value?: { readonly member: string; readonly json?: string | undefined } | undefined;
}

/** Makes the `data` of an event JSON, and takes a large value out of it. */
export function encodeEvent(event: LogEvent): EncodedData {
  if (event.type === "execution.requested") {
    const { workflowId, version, trigger, input, fork, startedBy } = event.data;
    const head = `{"workflowId":${quoteJson(workflowId)},"version":${version},"trigger":${quoteJson(trigger)}`;
    const origin = fork === undefined ? "" : `,"fork":${JSON.stringify(fork)}`;
    const after = startedBy === undefined ? `${origin}}` : `${origin},"startedBy":${JSON.stringify(startedBy)}}`;
    return withValue({ member: "input", name: trigger, json: textOf(input) }, { before: `${head},`, after });
  }
  if (event.type === "node.completed" && event.node !== undefined) {
    const { output, outputs, responds, recorded } = event.data;
    const named = outputs === undefined ? "" : `,"outputs":${JSON.stringify(outputs)}`;
    const after = `${named}${responds ? ',"responds":true' : ""}${recorded ? ',"recorded":true' : ""}}`;
    return withValue({ member: "output", name: event.node, json: textOf(output) }, { before: "{", after });
  }
  return { data: JSON.stringify(event.data) };
}

/** Reads an event back. */
export function decodeEvent({ id, type, time, node, data, value }: EncodedEvent): StoredEvent {
  const decoded = JSON.parse(data);
  if (value?.json !== undefined) decoded[value.member] = JSON.parse(value.json);
  return { id, type, time, ...(node === undefined ? {} : { node }), data: decoded } as StoredEvent;
}

function withValue(value: LargeValue, { before, after }: { before: string; after: string }): EncodedData {
  const { member, json } = value;
  if (json.length <= LARGE) return { data: `${before}"${member}":${json}${after}`, json };
  return { data: `${before}"${member}":null${after}`, value, json };
}

/** A value that is not there counts as null, as it does in every JSON text. */
function textOf(value: JsonValue | undefined): string {
  return JSON.stringify(value) ?? "null";
}
