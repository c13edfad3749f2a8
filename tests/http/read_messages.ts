/**
 * Reads event streams as a client does.
 */
import type { EventType } from "../../src/execution/event.ts";

/** One message of an event stream. */
export interface ReadMessage {
  readonly id?: string;
  readonly event?: EventType | "gap";
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Reads `count` messages of an event stream, or all until it ends, and cancels it. */
export async function readMessages(response: Response, count = Infinity): Promise<ReadMessage[]> {
  const messages: ReadMessage[] = [];
  for await (const message of messagesOf(response)) if (messages.push(message) >= count) break;
  return messages;
}

/** The messages of an event stream as they come; it is cancelled when no more are asked for. */
export async function* messagesOf(response: Response): AsyncGenerator<ReadMessage, undefined> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const blocks = (text += decoder.decode(next.value, { stream: true })).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
        const data = fields.get("data");
        if (data === undefined) continue;
        yield { ...Object.fromEntries(fields), data: JSON.parse(data) } as ReadMessage;
      }
    }
  } finally {
    await reader.cancel();
  }
}
