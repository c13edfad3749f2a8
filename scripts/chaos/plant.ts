/**
 * Known bugs, switched on from outside: preloaded into an instance with `node --import tsx --import plant.ts`, this
 * file patches the product as `MILLRACE_PLANT` says. The product has no switch for any of them, and no build holds
 * this file. A plant that no longer finds what it patches ends the instance, so it cannot go stale unseen.
 */
import { APPEND, APPEND_LAST } from "../../src/storage/redis/scripts/append_script.ts";
import { type Command, RedisConnection, type Reply } from "../../src/storage/redis/connection/connection.ts";
import { defineScript } from "../../src/storage/redis/connection/script.ts";
import { type PlantName, PLANTS } from "./plants.ts";

type Send = (command: Command, options?: { deadlineMs?: number }) => Promise<Reply>;

const send = RedisConnection.prototype.send as Send;

const PLANT: Record<PlantName, () => void> = {
  "ack-early": () =>
    wrapSend(async (connection, command, options) => {
      const reply = await send.call(connection, command, options);
      if (command[0] !== "XREADGROUP" || reply === null) return reply;
      for (const [stream, entries] of reply as [string, [string, Reply][]][]) {
        if (!stream.endsWith(":work") || entries.length === 0) continue;
        const ids = entries.map(([id]) => id);
        await send.call(connection, ["XACK", stream, String(command[2]), ...ids]);
        await send.call(connection, ["XDEL", stream, ...ids]);
      }
      return reply;
    }),
  "no-fence": () => {
    for (const script of [APPEND, APPEND_LAST]) {
      let source: string = script.source;
      for (const check of FENCE) {
        if (!check.test(source)) throw new Error(`no-fence: APPEND has no ${check} any more`);
        source = source.replace(check, "");
      }
      Object.assign(script, defineScript(source));
    }
  },
  "dollar-cursor": () =>
    wrapSend((connection, command, options) => {
      const names = command.indexOf("STREAMS") + 1;
      if (command[0] !== "XREAD") return send.call(connection, command, options);
      const count = (command.length - names) / 2;
      const isInbox = (i: number) => i >= names + count && String(command[i - count]).includes(":inbox:");
      return send.call(connection, command.map((word, i) => isInbox(i) ? "$" : word), options);
    }),
  "plain-trim": () => {
    let trimming = false;
    wrapSend((connection, command, options) => {
      const feed = command.find((word) => typeof word === "string" && word.endsWith(":feed"));
      if (feed !== undefined && !command.includes("BLOCK") && !trimming) {
        trimming = true;
        setInterval(() => void send.call(connection, ["XTRIM", feed, "MAXLEN", "5"]).catch(() => {}), 20);
      }
      return send.call(connection, command, options);
    });
  },
  "no-pel-drain": () =>
    wrapSend((connection, command, options) => {
      const isDrain = command[0] === "XREADGROUP" && command.at(-1) !== ">" &&
        command.some((word) => String(word).endsWith(":work"));
      return isDrain ? Promise.resolve(null) : send.call(connection, command, options);
    }),
};

/** The lines of APPEND that refuse an older claim. */
const FENCE = [/^.*~= ARGV\[2\] then return.*$/m, /^.*sequence ~= tonumber\(ARGV\[3\]\).*$/m];

const plant = PLANT[process.env.MILLRACE_PLANT as PlantName];
if (plant === undefined) throw new Error(`MILLRACE_PLANT must be one of ${Object.keys(PLANTS).join(", ")}`);
plant();

function wrapSend(
  wrapped: (connection: RedisConnection, command: Command, options?: { deadlineMs?: number }) => Promise<Reply>,
): void {
  RedisConnection.prototype.send = function (this: RedisConnection, command: Command, options?: {
    deadlineMs?: number;
  }) {
    return wrapped(this, command, options);
  } as typeof RedisConnection.prototype.send;
}
