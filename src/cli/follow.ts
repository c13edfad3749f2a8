/**
 * Follows an execution to its end, over any number of connections.
 */
import type { StoredEvent } from "../execution/event.ts";
import { isTerminal } from "../execution/event.ts";
import { pause } from "../lib/delay.ts";
import { ApiCallError, type ApiClient } from "./api_client.ts";
import { messagesOf } from "./event_lines.ts";

/** From one try to the next, in milliseconds, and how long they may go without one that worked. */
const AGAIN_MS = 500;
const GIVE_UP_MS = 120_000;

/**
 * Gives the events of an execution from the first to the one that ends it. A connection that drops is made anew, from the
 * last event on.
 *
 * @throws {ApiCallError} when the server refuses, or is not back after two minutes
 */
export async function* followExecution(api: ApiClient, id: string): AsyncGenerator<StoredEvent> {
  let last: string | undefined;
  let workedAt = performance.now();
  for (;;) {
    try {
      const headers = { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": last }) };
      const response = await api.open("GET", `/api/executions/${encodeURIComponent(id)}/events`, { headers });
      // It has ended, and there is no more of it.
      if (response.status === 204) return;
      for await (const message of messagesOf(response.body)) {
        workedAt = performance.now();
        const event = JSON.parse(message.data);
        if (typeof event.type !== "string" || message.id === undefined) continue;
        last = message.id;
        yield { id: message.id, ...event } as StoredEvent;
        if (isTerminal(event)) return;
      }
    } catch (error) {
      const status = error instanceof ApiCallError ? error.status : 503;
      if (status !== undefined && status < 500) throw error;
      if (performance.now() - workedAt > GIVE_UP_MS) {
        throw error instanceof ApiCallError ? error : new ApiCallError("The connection does not come back");
      }
    }
    await pause(AGAIN_MS);
  }
}
