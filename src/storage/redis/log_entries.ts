/**
 * How events look in a log on Redis, and back.
 */
import type { LogEvent, StoredEvent } from "../../execution/event.ts";
import { decodeEvent, type EncodedEvent, encodeEvent } from "../../execution/value.ts";
import { entryIdBefore } from "../../lib/entry_id.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";

/**
 * A log entry's events. One event is the fields `type`, `time`, `node` (if any), `data` (one JSON text), and where a value
 * stands beside the log, `value` (the member of `data` that it is) and `bytes` (its length); `json` is that value, if
 * loaded. Several events are a field each, in their order: its name is `type` or `type node`, its value `time data`, or
 * `start/time data` for a node that started and completed. The first event of an entry has the entry's id, those after it
 * the ids after that one, which no other entry has.
 */
export function decodeEntry(entry: StreamEntry, json?: string | null): StoredEvent[] {
  const { id, fields } = entry;
  const type = fields.get("type");
  if (type === undefined) return decodeFields(entry);
  const member = fields.get("value");
  const event = decodeEvent({
    id,
    type,
    time: Number(fields.get("time")),
    node: fields.get("node"),
    data: fields.get("data") ?? "{}",
    ...(member === undefined ? {} : { value: { member, json: json ?? undefined } }),
  });
  return [...startIn(entry), event];
}

/** Whether an entry has several events. */
export function isShared({ fields }: StreamEntry): boolean {
  return !fields.has("type");
}

function decodeFields({ id, words }: StreamEntry): StoredEvent[] {
  const [ms, first] = id.split("-");
  const events: StoredEvent[] = [];
  const add = (event: Omit<EncodedEvent, "id">) => {
    events.push(decodeEvent({ ...event, id: `${ms}-${Number(first) + events.length}` }));
  };
  for (let i = 0; i + 1 < words.length; i += 2) {
    const [type = "", node] = words[i]!.split(" ");
    const text = words[i + 1]!;
    const end = text.indexOf(" ");
    const times = text.slice(0, end).split("/").map(Number);
    if (times.length > 1) add({ type: "node.started", time: times[0]!, node, data: '{"attempt":1}' });
    add({ type, time: times.at(-1)!, node, data: text.slice(end + 1) });
  }
  return events;
}

/** What an older version put into the completion of a node: when it started. That event has the id before the entry's. */
function startIn({ id, fields }: StreamEntry): StoredEvent[] {
  const startedAt = fields.get("startedAt");
  if (startedAt === undefined) return [];
  const node = fields.get("node") ?? "";
  return [{ id: entryIdBefore(id), type: "node.started", time: Number(startedAt), node, data: { attempt: 1 } }];
}

/** The name and the length of the value that stands beside a log entry, if one does. */
export function valueOf({ fields }: StreamEntry): { name: string; bytes: number } | undefined {
  if (!fields.has("value")) return undefined;
  const name = fields.get("node") ?? JSON.parse(fields.get("data") ?? "{}").trigger;
  return { name, bytes: Number(fields.get("bytes")) };
}

/** Events as the scripts take them: see `WRITING`. */
export interface EncodedEvents {
  readonly types: string;
  readonly count: number;
  readonly words: readonly string[];
  /** Whether there are values among them that stand beside the log. */
  readonly large: boolean;
  /** The outputs among them, as JSON, or where they are large the names under which they stand beside the log. */
  readonly outputs: ReadonlyMap<unknown, StoredOutput>;
}

/** How the output of a node is stored. */
export type StoredOutput = { readonly json: string; readonly name?: never } | {
  readonly name: string;
  readonly json?: never;
};

/**
 * How many fields an entry has at most, and past how many characters it gets no further one: Redis makes 4 KiB for each
 * (`stream-node-max-bytes`), and past that copies the whole for each field.
 */
const [ENTRY_FIELDS, ENTRY_CHARACTERS] = [100, 3 * 1024];

/** Makes events ready to be sent: as few entries as can be, and one for each that has a large value. */
export function encodeEvents(events: readonly LogEvent[]): EncodedEvents {
  const entries = new Entries();
  const outputs = new Map<unknown, StoredOutput>();
  let start: LogEvent | undefined;
  let types = "";
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!;
    types += i === 0 ? event.type : `,${event.type}`;
    if (isStartOf(event, events[i + 1])) {
      start = event;
      continue;
    }
    const { data, value, json } = encodeEvent(event);
    if (value === undefined) entries.add(event, data, start);
    else {
      if (start !== undefined) entries.add(start, JSON.stringify(start.data));
      entries.addLarge(event, data, value.json);
    }
    start = undefined;
    if (event.type !== "node.completed") continue;
    outputs.set(event.data.output, value === undefined ? { json: json! } : { name: value.name });
  }
  const { words, large } = entries.end();
  return { types, count: events.length, outputs, words, large };
}

/** The names and values of the fields, where words are one entry of several events; `undefined` where they are not. */
export function fieldsOfOnly(words: readonly string[]): readonly string[] | undefined {
  return words[0] !== "" && words.length === 2 + Number(words[1]) ? words.slice(2) : undefined;
}

/** Gathers events to entries, in the words of `WRITING`. */
class Entries {
  readonly #words: string[] = [];
  #large = false;
  /** Of the entry that is being filled: the names and values of its fields, how long these are, and of how many events. */
  #fields: string[] = [];
  #characters = 0;
  #events = 0;
  #last: { readonly event: LogEvent; readonly data: string } | undefined;

  add(event: LogEvent, data: string, start?: LogEvent): void {
    if (this.#fields.length === 2 * ENTRY_FIELDS || this.#characters > ENTRY_CHARACTERS) this.#write();
    const { type, time, node } = event;
    const name = node === undefined ? type : `${type} ${node}`;
    const value = start === undefined ? `${time} ${data}` : `${start.time}/${time} ${data}`;
    this.#fields.push(name, value);
    this.#characters += name.length + value.length;
    this.#events += start === undefined ? 1 : 2;
    this.#last = { event, data };
  }

  addLarge(event: LogEvent, data: string, value: string): void {
    this.#write();
    this.#large = true;
    this.#addAlone(event, data, value);
  }

  end(): { words: readonly string[]; large: boolean } {
    this.#write();
    return { words: this.#words, large: this.#large };
  }

  #write(): void {
    if (this.#events > 1) this.#words.push(String(this.#events), String(this.#fields.length), ...this.#fields);
    else if (this.#events === 1) this.#addAlone(this.#last!.event, this.#last!.data, "");
    this.#fields = [];
    this.#characters = this.#events = 0;
  }

  #addAlone({ type, time, node = "" }: LogEvent, data: string, value: string): void {
    this.#words.push("", type, String(time), node, data, value);
  }
}

function isStartOf(event: LogEvent, next: LogEvent | undefined): boolean {
  return event.type === "node.started" && event.data.attempt === 1 && event.node !== undefined &&
    next?.type === "node.completed" && next.node === event.node;
}
