/**
 * The least that a read over HTTP can be: the same server, and one GET of Redis. `REDIS_URL` and `KEY` say of what.
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createClient } from "redis";

const client = await createClient({ url: process.env.REDIS_URL!, RESP: 2 }).on("error", () => {}).connect();
const app = new Hono();
app.get("/get", async (c) => {
  const value = await client.get(process.env.KEY!);
  return c.body(value ?? "", 200, { "content-type": "application/json" });
});
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(`http://127.0.0.1:${port}`));
