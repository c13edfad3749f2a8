/**
 * `POST /api/workflow-state/rebuild`: makes lists, counters and documents anew from the logs, and says how far it is.
 */
import type { Context, Hono } from "hono";
import { rebuild, type Rebuilt } from "../../feed/rebuild.ts";
import type { AppDeps, AppEnv } from "../frame/deps.ts";
import { resource } from "../frame/resource.ts";
import { textStream } from "../protocol/text_stream.ts";

/** Interval of progress lines, in milliseconds. */
const TELL_MS = 200;

/** A running rebuild. It is finished even when its caller disconnects, since half a list is worse than none. */
interface Running {
  last: Rebuilt;
  readonly ended: Promise<"ended">;
}

/** Adds the resource to the app. A call during a rebuild of this instance reports that one's progress. */
export function rebuilds(app: Hono<AppEnv>, deps: AppDeps): void {
  let running: Running | undefined;
  const start = (): Running => {
    const started: Running = { last: { done: 0, total: 0 }, ended: run().finally(() => running = undefined) };
    async function run(): Promise<"ended"> {
      const onError = (error: unknown) => deps.logger.warn({ error }, "rebuild");
      for await (const last of rebuild({ ...deps.store, workflows: deps.catalog, onError })) started.last = last;
      deps.logger.info(started.last, "rebuilt");
      return "ended";
    }
    started.ended.catch((error) => deps.logger.warn({ error }, "a rebuild broke off"));
    return started;
  };
  resource(app, "/api/workflow-state/rebuild", {
    POST: (c: Context<AppEnv>) => {
      running ??= start();
      return c.body(textStream(lines(running)), 200, { "content-type": "application/x-ndjson" });
    },
  });
}

/** Lines of JSON, `{done, total}`; the last one has `success: true`. */
async function* lines(running: Running): AsyncGenerator<string> {
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = new Promise<"later">((resolve) => timer = setTimeout(resolve, TELL_MS, "later" as const));
    try {
      if (await Promise.race([running.ended, wait]) === "ended") break;
    } finally {
      clearTimeout(timer);
    }
    yield `${JSON.stringify(running.last)}\n`;
  }
  yield `${JSON.stringify({ success: true, ...running.last })}\n`;
}
