/**
 * Events as lines of JSON, each with its `data` last and exactly as the log has it; a large value is only named.
 *
 * @example
 * ```ts
 * const { line, value } = writeLine(event);
 * const { event: same } = readLine(line);
 * ```
 */
import type { StoredEvent } from "../execution/event.ts";
import { encodeEvent, type LargeValue } from "../execution/value.ts";

/** The value beside an event that was read: the member of its `data`, its name, and how many characters it has. */
export interface NamedValue {
  readonly member: string;
  readonly name: string;
  readonly length: number;
}

/** The line of an event, and the value that does not stand in it. */
export function writeLine(event: StoredEvent): { line: string; value?: LargeValue } {
  const { data, value } = encodeEvent(event);
  const node = event.node === undefined ? "" : `,"node":${JSON.stringify(event.node)}`;
  const named = value === undefined
    ? ""
    : `,"value":${
      JSON.stringify({ member: value.member, name: value.name, length: value.json.length } satisfies NamedValue)
    }`;
  const line = `{"id":"${event.id}","type":"${event.type}","time":${event.time}${node}${named},"data":${data}}`;
  return value === undefined ? { line } : { line, value };
}

/** The event of a line, with `null` for a value that does not stand in it, and how to find that. */
export function readLine(line: string): { event: StoredEvent; value?: NamedValue } {
  const { value, ...event } = JSON.parse(line) as StoredEvent & { value?: NamedValue };
  return value === undefined ? { event: event as StoredEvent } : { event: event as StoredEvent, value };
}

/** The event with the value that was loaded for it. */
export function withValue(event: StoredEvent, { member }: NamedValue, json: string): StoredEvent {
  return { ...event, data: { ...event.data as object, [member]: JSON.parse(json) } } as StoredEvent;
}
