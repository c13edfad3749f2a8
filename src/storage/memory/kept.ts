/**
 * How the memory driver keeps what it keeps: as JSON, whose size is known, and past a few thousand characters as bytes
 * outside the heap. A body of a million empty lists takes four megabytes here; as objects it would take fifty.
 */
import type { LogEvent, StoredEvent } from "../../execution/event.ts";
import { decodeEvent, encodeEvent, type ValueMember } from "../../execution/value.ts";

/** A JSON text, or its UTF-8. */
export type Kept = string | Uint8Array;

/** An event as it is kept. */
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

/** Past this many characters a text is kept as bytes. */
const LONG = 4096;
/** What an event takes besides its text, about. */
const EVENT_BYTES = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Keeps a JSON text. */
export function keep(json: string): Kept {
  return json.length > LONG ? encoder.encode(json) : json;
}

/** The JSON text again. */
export function textOf(kept: Kept): string {
  return typeof kept === "string" ? kept : decoder.decode(kept);
}

/** What a kept text takes: a character takes two bytes at most, whatever it is. */
export function sizeOf(kept: Kept): number {
  return typeof kept === "string" ? 2 * kept.length : kept.byteLength;
}

/** Keeps an event under an id. */
export function keepEvent(event: LogEvent, id: string): KeptEvent {
  const { type, time, node } = event;
  const { data, value } = encodeEvent(event);
  const kept = { data: keep(data), ...(value && { value: { member: value.member, json: keep(value.json) } }) };
  const bytes = EVENT_BYTES + sizeOf(kept.data) + (kept.value === undefined ? 0 : sizeOf(kept.value.json));
  return { id, type, time, ...(node === undefined ? {} : { node }), ...kept, bytes };
}

/** The event again; without its large value if that is not wanted. */
export function restoreEvent(kept: KeptEvent, options: { values: boolean } = { values: true }): StoredEvent {
  const { id, type, time, node, data, value } = kept;
  const json = value && options.values ? textOf(value.json) : undefined;
  return decodeEvent({ id, type, time, node, data: textOf(data), value: value && { member: value.member, json } });
}
