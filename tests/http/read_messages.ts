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
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (messages.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    const blocks = (text += decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
      const data = fields.get("data");
      if (data === undefined) continue;
      messages.push({ ...Object.fromEntries(fields), data: JSON.parse(data) } as ReadMessage);
    }
  }
  await reader.cancel();
  return messages;
}
