import { test } from "uvu";
import * as assert from "uvu/assert";
import { wholeLength } from "../../scripts/chaos/append_only_file.ts";
import { ChaosRedis } from "../../scripts/chaos/redis_process.ts";
import { findRedisServer } from "../../scripts/redis.ts";

const resp = (...words: string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;

test("wholeLength() ends behind a command or a transaction, wherever the file is cut", () => {
  const parts = [
    resp("SELECT", "0"),
    resp("MULTI") + resp("SET", "é", "\r\n*1\r\n$4\r\nEXEC\r\n") + resp("EXEC"),
    resp("SET", "a", ""),
    resp("multi") + resp("XADD", "s", "1-0", "MULTI", "1") + resp("exec"),
  ];
  const file = Buffer.from(parts.join(""));
  let whole = 0;
  let next = 0;
  for (let length = 0; length <= file.length; length++) {
    if (next < parts.length && length === whole + Buffer.byteLength(parts[next]!)) {
      whole = length;
      next++;
    }
    assert.is(wholeLength(file.subarray(0, length)), whole, `of ${length}`);
  }
  assert.is(whole, file.length);
});

test("a Redis that is rewound has whole scripts, at later starts too", async () => {
  await using redis = await ChaosRedis.start(await findRedisServer());
  const write = (value: string) =>
    redis.send("EVAL", "redis.call('RPUSH', 'list', ARGV[1]) redis.call('SET', 'last', ARGV[1])", "0", value);
  await write("a");
  const { file, bytes } = await redis.mark();
  await write("b");
  const after = await redis.mark();
  // Within the second script's transaction, behind its first write.
  await redis.rewind({ file, bytes: bytes + Math.floor((after.bytes - bytes) * 0.8) });
  await write("c");
  await redis.kill();
  await redis.restart();
  assert.equal([await redis.send("LRANGE", "list", "0", "-1"), await redis.send("GET", "last")], [["a", "c"], "c"]);
});

test.run();
