/**
 * The entries of a log on Redis: what is written together reads as the events that it was, and so does what an older
 * version wrote.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LogEvent } from "../../../src/execution/event.ts";
import { decodeEntry, encodeEvents, valueOf } from "../../../src/storage/redis/log_entries.ts";
import { parseEntries, type StreamEntry } from "../../../src/storage/redis/streams/stream_replies.ts";

/** Does what the script does with the words, for a log that is empty. */
function write(words: readonly string[]): { entry: StreamEntry; value: string | undefined }[] {
  const written: { entry: StreamEntry; value: string | undefined }[] = [];
  let next = 0;
  for (let at = 0; at < words.length;) {
    const id = `1700000000000-${next}`;
    if (words[at] === "") {
      const [type, time, node, data, value] = words.slice(at + 1, at + 6) as [string, string, string, string, string];
      const fields = ["type", type, "time", time, ...(node === "" ? [] : ["node", node]), "data", data];
      if (value !== "") fields.push("value", "output", "bytes", String(value.length));
      written.push({ entry: parseEntries([[id, fields]])[0]!, value: value || undefined });
      next++;
      at += 6;
    } else {
      const [events, count] = [Number(words[at]), Number(words[at + 1])];
      written.push({ entry: parseEntries([[id, words.slice(at + 2, at + 2 + count)]])[0]!, value: undefined });
      next += events;
      at += 2 + count;
    }
  }
  return written;
}

const node = fc.constantFrom("a", "b_2", "c-3");
const time = fc.integer({ min: 0, max: 2_000_000_000_000 });
const output = fc.oneof(
  { weight: 9, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: fc.constant("x".repeat(40_000)) },
);
const event = fc.oneof(
  fc.record({ type: fc.constant("node.started"), time, node, data: fc.record({ attempt: fc.constantFrom(1, 2) }) }),
  fc.record({ type: fc.constant("node.completed"), time, node, data: fc.record({ output }) }),
  fc.record({ type: fc.constant("node.progress"), time, node, data: fc.record({ message: fc.string() }) }),
  fc.record({ type: fc.constant("execution.started"), time, data: fc.record({ worker: fc.string() }) }),
) as fc.Arbitrary<LogEvent>;

test("any events read as they were, each under the id after the one before it", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 40 }), (events) => {
    const { words, count, types, large } = encodeEvents(events);
    const entries = write(words);
    const read = entries.flatMap(({ entry, value }) => decodeEntry(entry, value));
    assert.equal(read.map(({ id: _, ...event }) => event), JSON.parse(JSON.stringify(events)));
    assert.equal(read.map(({ id }) => id), events.map((_, i) => `1700000000000-${i}`));
    assert.is(count, events.length);
    assert.is(types, events.map(({ type }) => type).join());
    assert.is(large, entries.some(({ entry }) => valueOf(entry) !== undefined));
  }));
});

test("an entry has a hundred fields at most, and no further one past 3 KiB", () => {
  const completed = (output: string): LogEvent => ({ type: "node.completed", time: 1, node: "a", data: { output } });
  const lengths = (events: LogEvent[]) =>
    write(encodeEvents(events).words).map(({ entry }) => decodeEntry(entry).length);
  assert.equal(lengths(Array(150).fill({ type: "execution.paused", time: 1, data: {} })), [100, 50]);
  assert.equal(lengths(Array(10).fill(completed("x".repeat(1100)))), [3, 3, 3, 1]);
});

test("the completion of a node that an older version wrote has its start in it, with the id before the entry's", () => {
  const fields = ["type", "node.completed", "time", "9", "node", "a", "data", '{"output":1}', "startedAt", "7"];
  const [entry] = parseEntries([["5-3", fields]]);
  assert.equal(decodeEntry(entry!), [
    { id: "5-2", type: "node.started", time: 7, node: "a", data: { attempt: 1 } },
    { id: "5-3", type: "node.completed", time: 9, node: "a", data: { output: 1 } },
  ]);
});

test.run();
