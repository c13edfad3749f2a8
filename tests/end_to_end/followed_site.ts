/**
 * A site whose event streams are followed, and whose connections can be cut.
 */
import { Assembler } from "../../src/feed/assembler.ts";
import { listen } from "../../src/http/server.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { chain, openWholeApp, type WholeApp } from "../http/whole_app.ts";
import { redisVariants, removeKeys, uniquePrefix } from "../support/redis.ts";
import { startProxy } from "../support/tcp_proxy.ts";
import { untilServed } from "./instance.ts";

/** Takes half a second or so, in steps that are written together and apart. */
const WORKFLOW = chain("follow", [
  ...[1, 2, 3].flatMap((n) => [
    { id: `a${n}`, type: "transform", parameters: { output: { n } } },
    { id: `b${n}`, type: "delay", parameters: { seconds: 0.05 + n / 20 } },
  ]),
]);

/** An app on Redis that listens, and a proxy before it. */
export interface Site {
  readonly whole: WholeApp;
  /** Of the server, and of the proxy before it. */
  readonly url: string;
  readonly proxied: string;
  cut(): void;
  start(): Promise<string>;
}

/** Runs a test with such a site; `page` is served besides. */
export async function withSite(
  run: (site: Site) => Promise<void>,
  page: (request: Request) => Response | undefined = () => undefined,
) {
  const { url: redis } = redisVariants()[0]!;
  const prefix = uniquePrefix();
  const store = await openRedisStore({ url: redis, prefix, instance: "followers" });
  const whole = await openWholeApp({ store });
  const assembler = new Assembler({ ...store, workflows: whole.catalog });
  assembler.start();
  const server = await listen(
    (request, connection) => page(request) ?? whole.app.fetch(request, connection),
    { hostname: "127.0.0.1", port: 0 },
  );
  const proxy = await startProxy(Number(new URL(server.url).port));
  try {
    await whole.catalog.put("follow", WORKFLOW);
    const proxied = proxy.url.replace("redis:", "http:");
    const start = async () => {
      const headers = { prefer: "respond-async", "content-type": "application/json" };
      const response = await untilServed(() =>
        fetch(`${server.url}/webhook/follow`, { method: "POST", headers, body: "{}" })
      );
      await response.body?.cancel();
      return response.headers.get("execution-id")!;
    };
    await run({ whole, url: server.url, proxied, cut: () => proxy.cut(), start });
  } finally {
    await proxy[Symbol.asyncDispose]();
    await server.close({ graceMs: 0 });
    await assembler.stop();
    await whole[Symbol.asyncDispose]();
    await removeKeys(redis, prefix);
  }
}
