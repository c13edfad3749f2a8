/**
 * What is added to Afterwards is done after this turn of the event loop, in its order.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Afterwards } from "../../src/lib/afterwards.ts";

test("Afterwards does what was added once, in order, behind what the turn has to do", async () => {
  const afterwards = new Afterwards();
  const done: string[] = [];
  afterwards.add(() => {
    done.push("first");
    afterwards.add(() => done.push("third"));
  });
  afterwards.add(() => done.push("second"));
  await Promise.resolve();
  assert.equal(done, []);
  while (done.length < 3) await new Promise((resolve) => setTimeout(resolve));
  assert.equal(done, ["first", "second", "third"]);
});

test.run();
