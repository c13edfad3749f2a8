/**
 * A process with several contenders for one lock, each of which takes it, writes to the resource, and gives it back,
 * again and again: `node --import tsx scripts/locks/contender.ts`, started by `contest.ts`.
 *
 * The resource is the process that started this one. It answers each write, so that what was written before a release is
 * there before the next holder's first write.
 */
import { Locks } from "../../src/locks/locks.ts";
import { openRedisStore } from "../../src/storage/redis/store.ts";
import { pause } from "../../src/lib/delay.ts";
import { type ContenderMessage, type ContenderSettings, type ResourceAnswer, SETTINGS_VARIABLE } from "./messages.ts";

const settings: ContenderSettings = JSON.parse(process.env[SETTINGS_VARIABLE]!);
const answers = new Map<string, (answer: ResourceAnswer) => void>();
process.on("message", (answer: ResourceAnswer) => answers.get(`${answer.owner} ${answer.fence}`)?.(answer));
process.on("disconnect", () => process.exit(0));

function send(message: ContenderMessage): void {
  process.send!(message);
}

/** Writes to the resource, and waits for its answer. */
function write(message: ContenderMessage & { owner: string; fence: number }): Promise<ResourceAnswer> {
  return new Promise((resolve) => {
    const key = `${message.owner} ${message.fence}`;
    answers.set(key, (answer) => {
      answers.delete(key);
      resolve(answer);
    });
    send(message);
  });
}

function now(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

const { url, prefix, name, ttlMs } = settings;
const store = await openRedisStore({ url, prefix, instance: settings.process });

async function contend(owner: string): Promise<void> {
  const locks = new Locks({ store: store.locks, clientId: owner });
  for (let enough = false; !enough;) {
    send({ type: "ask", owner, askedAt: now() });
    await locks.request(name, { ttlMs }, async (lock) => {
      const { fence } = lock;
      const entered = await write({ type: "enter", owner, fence, grantedAt: now() });
      enough = entered.enough;
      const { waiters } = await store.locks.inspect(name);
      const left = entered.accepted
        ? await write({ type: "leave", owner, fence, queue: waiters.map((waiter) => waiter.owner) })
        : entered;
      if (!left.accepted) {
        // That its lease ended while this process stood still it knows once its timers have run.
        await pause(5);
        send({ type: "refused", owner, fence, knew: lock.signal.aborted });
      } else send({ type: "release", fence, releasedAt: now() });
    }).catch(async (error) => {
      // It was lost, which whoever took it after this one has settled already.
      if (error.name !== "AbortError") console.error(`${owner}: ${error}`);
      await pause(1);
    });
  }
}

await Promise.all(Array.from({ length: settings.contenders }, (_, n) => contend(`${settings.process}.${n}`)));
send({ type: "done" });
await store[Symbol.asyncDispose]();
process.exit(0);
