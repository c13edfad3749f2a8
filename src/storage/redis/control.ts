/**
 * The control stream, on which instances tell each other what happened: definitions changed, executions were
 * cancelled, paused or resumed.
 */
import type { RedisConnection } from "./connection/connection.ts";
import type { Keys } from "./keys.ts";
import { announceChange } from "./scripts/announce.ts";
import { readStreamInfo } from "./streams/stream_info.ts";
import type { StreamReader } from "./streams/stream_reader.ts";
import type { StreamEntry } from "./streams/stream_replies.ts";
import type { RedisWorkQueue } from "./work_queue.ts";
import type { RedisWorkflowStore } from "./workflow_store.ts";

/** Tells every worker what happened to an execution from outside. */
export async function announce(
  commands: RedisConnection,
  keys: Keys,
  { what, executionId }: { what: "cancelled" | "paused" | "resumed"; executionId: string },
): Promise<void> {
  await announceChange(commands, { keys: { control: keys.control() }, what, executionId });
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
      for (const [what, message] of Object.entries(MESSAGES)) {
        const executionId = fields.get(what);
        if (executionId !== undefined) work.control(executionId, message);
      }
    }
  };
  // Where entries were lost any definition may have changed; what happened to executions their next append tells.
  reader.follow(keys.control(), newest?.lastId ?? "0-0", take, () => workflows.changed(undefined));
}

/** The messages of the control stream about executions, and what they mean for a worker. */
const MESSAGES = { cancelled: "lost", paused: "paused", resumed: "resumed" } as const;
