/**
 * The HTTP front that every other contender stands behind: the same server, router and reading of the body as
 * Millrace's own.
 */
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Serves `POST /bench`, answers with what `answer` makes of the body, and prints the address. */
export function serveFront(answer: (body: string) => Promise<string>): void {
  const app = new Hono();
  app.post(
    "/bench",
    async (c) => c.body(await answer(await c.req.text()), 201, { "content-type": "application/json" }),
  );
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}
