// not quick: many contenders
// timeout: 300
/**
 * A short contest; the long one is `npm run prove:locks`.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { broken, contest } from "../../scripts/locks/contest.ts";
import { redisVariants } from "../support/redis.ts";

const { url } = redisVariants()[0]!;

test("contenders that are killed and stopped leave the lock to one holder at a time, in order, and forget nobody", async () => {
  const options = { grants: 300, processes: 3, contenders: 4, kills: 1, stops: 1, ttlMs: 1000, limitMs: 200_000 };
  const report = await contest({ ...options, url });
  assert.equal(broken(report, options), []);
  assert.is(report.killed, 1);
  assert.is(report.stopped, 1);
  assert.ok(report.ordered > 100);
  // The holder that was stopped came back, wrote, and was refused.
  assert.ok(report.lateWritesRefused >= 1);
});

test.run();
