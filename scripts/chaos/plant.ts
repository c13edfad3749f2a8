/**
 * Known bugs, switched on from outside: preloaded into a process with `node --import tsx --import plant.ts`, this file
 * patches the product as `MILLRACE_PLANT` says. The product has no switch for any of them, and no build holds this
 * file. A plant that no longer finds what it patches ends the process, so it cannot go stale unseen.
 */
import { Journal } from "../../src/engine/journal.ts";
import { Waiters } from "../../src/execution/waiters.ts";
import type { StoredEvent } from "../../src/execution/event.ts";
import { RedisLog } from "../../src/storage/redis/execution_log.ts";
import { Inbox } from "../../src/storage/redis/inbox.ts";
import { RedisRequests } from "../../src/storage/redis/requests.ts";
import { RedisWorkQueue } from "../../src/storage/redis/work_queue.ts";
import type { Reply } from "../../src/storage/redis/connection/connection.ts";
import { BLOCK_MS, GRACE_MS } from "../../src/storage/redis/connection/deadlines.ts";
import { SCRIPT_EDITS } from "./plant_scripts.ts";
import { editScripts, mustFind, wrapSend } from "./plant_send.ts";
import { PLANT_NAMES, type PlantName } from "./plants.ts";

/** The plants that are more than another line in a script. */
const PATCHES: Partial<Record<PlantName, () => void>> = {
  "ack-early": () => acknowledgeOnTaking(":work", { remove: true }),
  "feed-ack-early": () => acknowledgeOnTaking(":feed", { remove: false }),
  "dollar-cursor": () =>
    wrapSend((send, command, options) => {
      const names = command.indexOf("STREAMS") + 1;
      if (command[0] !== "XREAD") return send(command, options);
      const count = (command.length - names) / 2;
      const isInbox = (i: number) => i >= names + count && String(command[i - count]).includes(":inbox:");
      return send(command.map((word, i) => isInbox(i) ? "$" : word), options);
    }),
  "plain-trim": () => {
    let trimming = false;
    wrapSend((send, command, options) => {
      const feed = command.find((word) => typeof word === "string" && word.endsWith(":feed"));
      if (feed !== undefined && !command.includes("BLOCK") && !trimming) {
        trimming = true;
        setInterval(() => void send(["XTRIM", feed, "MAXLEN", "5"]).catch(() => {}), 20).unref();
      }
      return send(command, options);
    });
  },
  "no-pel-drain": () => {
    mustFind(/\["XPENDING", stream, group, start, "\+", .*, instance\]/);
    wrapSend((send, command, options) => {
      const isDrain = command[0] === "XPENDING" && command.length === 7 && String(command[1]).endsWith(":work");
      return isDrain ? Promise.resolve([]) : send(command, options);
    });
  },
  "no-second-look": () => {
    mustFind(/setTimeout\(\(\) => this\.again\(\), BLOCK_MS \+ GRACE_MS\)/);
    const { setTimeout } = globalThis;
    const isSecondLook = (work: unknown, ms: unknown) =>
      ms === BLOCK_MS + GRACE_MS && typeof work === "function" && /this\.again\(\)/.test(String(work));
    globalThis.setTimeout = Object.assign(
      (work: () => void, ms?: number, ...rest: []) => setTimeout(isSecondLook(work, ms) ? () => {} : work, ms, ...rest),
      setTimeout,
    );
  },
  "call-before-start": () => {
    mustFind(/if \(node\.hasSideEffects\) \{\s+await flush\(\);/);
    const { flush } = Journal.prototype;
    // The appends go out, but nobody waits for them.
    Journal.prototype.flush = function () {
      setTimeout(() => flush.call(this).catch(() => {}), 100);
      return Promise.resolve();
    };
  },
  "answer-before-write": () => {
    mustFind(/waiters\.reply\(run\.result\)/);
    const { record } = RedisRequests.prototype;
    const { wait } = Waiters.prototype;
    let waiters: Waiters | undefined;
    Waiters.prototype.wait = function (...args) {
      waiters = this;
      return wait.apply(this, args);
    };
    RedisRequests.prototype.record = function (request, run) {
      waiters?.reply(run.result);
      setTimeout(() => record.call(this, request, run).catch(() => {}), 50);
      return Promise.resolve({ executionId: request.executionId, isNew: true });
    };
  },
  "no-lookup": () => {
    mustFind(/await this\.checkResults\(/);
    Inbox.prototype.checkResults = () => Promise.resolve();
  },
  "cancel-unheard": () => {
    mustFind(/this\.control\(executionId, "lost"\)/);
    const { control } = RedisWorkQueue.prototype;
    RedisWorkQueue.prototype.control = function (executionId, what) {
      if (what !== "lost") control.call(this, executionId, what);
    };
  },
  "attempts-forgotten": () => {
    mustFind(/node\.attempts = event\.data\.attempt/);
    const { pages } = RedisLog.prototype;
    RedisLog.prototype.pages = async function* (...args) {
      for await (const events of pages.apply(this, args)) {
        yield events.map((event) =>
          event.type === "node.started" ? { ...event, data: { ...event.data, attempt: 0 } } as StoredEvent : event
        );
      }
    };
  },
  "local-timers": () => editScripts(SCRIPT_EDITS["local-timers"]!, { more: () => [String(Date.now())] }),
};

plant(process.env.MILLRACE_PLANT as PlantName);

function plant(name: PlantName): void {
  const [patch, edits] = [PATCHES[name], SCRIPT_EDITS[name]];
  if (patch !== undefined) patch();
  else if (edits !== undefined) editScripts(edits);
  else throw new Error(`MILLRACE_PLANT must be one of ${PLANT_NAMES.join(", ")}`);
}

function acknowledgeOnTaking(kind: string, { remove }: { remove: boolean }): void {
  wrapSend(async (send, command, options) => {
    const reply = await send(command, options);
    if (command[0] !== "XREADGROUP" || reply === null) return reply;
    for (const [stream, entries] of reply as [string, [string, Reply][]][]) {
      if (!stream.endsWith(kind) || entries.length === 0) continue;
      const ids = entries.map(([id]) => id);
      await send(["XACK", stream, String(command[2]), ...ids]);
      if (remove) await send(["XDEL", stream, ...ids]);
    }
    return reply;
  });
}
