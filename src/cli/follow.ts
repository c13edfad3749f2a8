/**
 * Follows an execution to its end, over any number of connections.
 */
import type { StoredEvent } from "../execution/event.ts";
import { isTerminal } from "../execution/event.ts";
import { pause } from "../lib/delay.ts";
import { ApiCallError, type ApiClient } from "./api_client.ts";
import { messagesOf } from "./event_lines.ts";

/** From one try to the next, in milliseconds, and how long they may go on after a connection was last open. */
const AGAIN_MS = 500;
const GIVE_UP_MS = 120_000;

/**
 * Gives the events of an execution from the first to the one that ends it. A connection that drops is made anew, from the
 * last event on.
 *
 * @throws {ApiCallError} when the server refuses, or is not back two minutes after the connection ended
 */
export async function* followExecution(api: ApiClient, id: string): AsyncGenerator<StoredEvent> {
  let last: string | undefined;
  let openAt = performance.now();
  for (;;) {
    try {
      const headers = { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": last }) };
      const response = await api.open("GET", `/api/executions/${encodeURIComponent(id)}/events`, { headers });
      // It has ended, and there is no more of it.
      if (response.status === 204) return;
      try {
        for await (const message of messagesOf(response.body)) {
          const event = JSON.parse(message.data);
          if (typeof event.type !== "string" || message.id === undefined) continue;
          last = message.id;
          yield { id: message.id, ...event } as StoredEvent;
          if (isTerminal(event)) return;
        }
      } finally {
        // It may have been open for long without a message.
        openAt = performance.now();
      }
    } catch (error) {
      const status = error instanceof ApiCallError ? error.status : 503;
      if (status !== undefined && status < 500) throw error;
      if (performance.now() - openAt > GIVE_UP_MS) {
        throw error instanceof ApiCallError ? error : new ApiCallError("The connection does not come back");
      }
    }
    await pause(AGAIN_MS);
  }
}
