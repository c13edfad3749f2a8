/**
 * The memory driver's storage format: JSON, whose size is known, and past a few thousand characters its UTF-8, outside
 * the heap. A body of a million empty lists takes four megabytes so; as objects it would take fifty.
 */
import type { LogEvent, StoredEvent } from "../../execution/event.ts";
import { decodeEvent, encodeEvent, type ValueMember } from "../../execution/value.ts";

/** A stored JSON text: itself, or its UTF-8. */
export type Kept = string | Uint8Array;

/** A stored event. */
export interface KeptEvent {
  readonly id: string;
  readonly type: LogEvent["type"];
  readonly time: number;
  readonly node?: string;
  readonly data: Kept;
  /** A value too large to stand in `data`. */
  readonly value?: { readonly member: ValueMember; readonly json: Kept };
  readonly bytes: number;
}

/** Longest text that is stored as a string, in characters. */
const LONG = 4096;
/** Bytes of an event besides its text, estimated. */
const EVENT_BYTES = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Stores a JSON text. */
export function keep(json: string): Kept {
  return json.length > LONG ? encoder.encode(json) : json;
}

/** Restores a JSON text. */
export function textOf(kept: Kept): string {
  return typeof kept === "string" ? kept : decoder.decode(kept);
}

/** Bytes of a stored text: at most two for each character of a string. */
export function sizeOf(kept: Kept): number {
  return typeof kept === "string" ? 2 * kept.length : kept.byteLength;
}

/** Stores an event under an id. */
export function keepEvent(event: LogEvent, id: string): KeptEvent {
  const { type, time, node } = event;
  const { data, value } = encodeEvent(event);
  const kept = { data: keep(data), ...(value && { value: { member: value.member, json: keep(value.json) } }) };
  const bytes = EVENT_BYTES + sizeOf(kept.data) + (kept.value === undefined ? 0 : sizeOf(kept.value.json));
  return { id, type, time, ...(node === undefined ? {} : { node }), ...kept, bytes };
}

/** Restores an event, without its large value unless `values` is true. */
export function restoreEvent(kept: KeptEvent, options: { values: boolean } = { values: true }): StoredEvent {
  const { id, type, time, node, data, value } = kept;
  const json = value && options.values ? textOf(value.json) : undefined;
  return decodeEvent({ id, type, time, node, data: textOf(data), value: value && { member: value.member, json } });
}
