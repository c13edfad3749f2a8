/**
 * Workflows of every kind of node, and what Redis keeps of their runs.
 */
import { type RedisClientType, RESP_TYPES } from "redis";
import type { JsonValue } from "../../../src/lib/json.ts";
import type { Keys } from "../../../src/storage/redis/keys.ts";

/** A value that is stored beside the log. */
export const LARGE = "y".repeat(40_000);

/** A node that makes an output. */
export const transform = (id: string, output: JsonValue) => ({ id, type: "transform", parameters: { output } });
/** A node that calls a URL. */
export const call = (id: string, url: string, rest: object = {}) => ({
  id,
  type: "httpRequest",
  parameters: { url },
  ...rest,
});

/** A workflow of every kind of node, with branches that join, chance, the clock, retries and handled failures. */
export function randomWorkflow(kinds: readonly number[]): object {
  const nodes: object[] = [{ id: "hook", type: "webhook", parameters: { path: "any" } }];
  const connections: object[] = [];
  const before = (index: number) =>
    index === 0 ? ["hook"] : index % 3 === 2 ? [`n${index - 1}`, `n${index - 2}`] : [
      `n${index - 1}`,
    ];
  kinds.forEach((kind, index) => {
    const id = `n${index}`;
    const made = [
      transform(id, { in: "{{ $ }}", at: "{{ $millis() }}", n: "{{ $trigger.body.n }}" }),
      transform(id, { dice: "{{ $random() }}", mix: "{{ $shuffle([1..5]) }}" }),
      transform(id, { id: "{{ $execution.id }}", of: "{{ $execution.version }}", now: "{{ $now() }}" }),
      call(id, "http://x.test/{{ $trigger.body.n }}"),
      call(id, "http://x.test/{{ $millis() }}", { retry: { maxAttempts: 2, backoffMs: 1 } }),
      call(id, "http://x.test/fail/{{ $trigger.body.n }}", {
        onError: "continue",
        retry: { maxAttempts: 2, backoffMs: 1 },
      }),
      { id, type: "delay", parameters: { seconds: 0.001 } },
      transform(id, { big: LARGE }),
      { id, type: "httpResponse", parameters: { body: { n: "{{ $trigger.body.n }}", at: "{{ $millis() }}" } } },
    ][kind]!;
    nodes.push(made);
    for (const from of before(index)) connections.push({ from, to: id });
  });
  return { nodes, connections };
}

/** What Redis has of each node's end: the entry's data and the value beside it, byte by byte, as latin1. */
export async function storedEnds(client: RedisClientType, keys: Keys, id: string): Promise<Map<string, string>> {
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  const text = (value: unknown) => (value as Buffer).toString("latin1");
  const entries = await bytes.sendCommand(["XRANGE", keys.log(id), "-", "+"]) as unknown as [Buffer, Buffer[]][];
  const ends = new Map<string, string>();
  const add = (type: string, node: string, data: string, value = "") => {
    if (node === "" || !/completed|failed|skipped/.test(type)) return;
    ends.set(node, `${type} ${data.replace(/,"recorded":true\}$/, "}")} ${value}`);
  };
  for (const [, words] of entries) {
    const fields = words.flatMap((word, i) => i % 2 === 0 ? [[text(word), text(words[i + 1])] as const] : []);
    const { type, node = "", data = "", value } = Object.fromEntries(fields) as Record<string, string>;
    if (type !== undefined) {
      const beside = value === undefined || node === ""
        ? ""
        : text(await bytes.sendCommand(["HGET", keys.values(id), node]));
      add(type, node, data, beside);
      continue;
    }
    // Several events, a field each: `type node` and `time data`.
    for (const [name, value] of fields) {
      const [type = "", node = ""] = name.split(" ");
      add(type, node, value.slice(value.indexOf(" ") + 1));
    }
  }
  // Nodes of branches end in any order.
  return new Map([...ends].sort());
}
