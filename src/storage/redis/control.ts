/**
 * The control stream, on which instances tell each other what happened: definitions changed, executions were
 * cancelled, paused or resumed.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { defineScript, runScript } from "./connection/script.ts";
import { readStreamInfo } from "./streams/stream_info.ts";
import type { StreamReader } from "./streams/stream_reader.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";
import type { RedisWorkQueue } from "./work_queue.ts";
import type { RedisWorkflowStore } from "./workflow_store.ts";

const ANNOUNCE = defineScript(
  `
-- KEYS  1 control stream
-- ARGV  1 what happened  2 execution id
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', 1000, '*', ARGV[1], ARGV[2])
`,
  { allowOom: true },
);

/** Tells every worker what happened to an execution from outside. */
export async function announce(
  commands: RedisConnection,
  keys: Keys,
  { what, executionId }: { what: "cancelled" | "paused" | "resumed"; executionId: string },
): Promise<void> {
  await runScript(commands, ANNOUNCE, { keys: [keys.control()], args: [what, executionId] });
}

/** Hears what happens elsewhere: definitions change, executions are cancelled, paused and resumed. */
export async function followControl(parts: {
  keys: Keys;
  commands: RedisConnection;
  reader: StreamReader;
  workflows: RedisWorkflowStore;
  work: RedisWorkQueue;
}): Promise<void> {
  const { keys, commands, reader, workflows, work } = parts;
  const newest = await readStreamInfo(commands, keys.control());
  const take = (entries: StreamEntry[]) => {
    for (const { fields } of entries) {
      const workflow = fields.get("workflow");
      if (workflow !== undefined) workflows.changed(workflow);
      for (const [what, signal] of Object.entries(SIGNALS)) {
        const executionId = fields.get(what);
        if (executionId !== undefined) work.signal(executionId, signal);
      }
    }
  };
  // Where entries were lost any definition may have changed; what happened to executions their next append tells.
  reader.follow(keys.control(), newest?.lastId ?? "0-0", take, () => workflows.changed(undefined));
}

/** What the control stream says of executions, and what it is to those who run them. */
const SIGNALS = { cancelled: "lost", paused: "paused", resumed: "resumed" } as const;
