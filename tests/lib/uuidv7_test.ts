import { test } from "uvu";
import * as assert from "uvu/assert";
import { isExecutionId, uuidv7 } from "../../src/lib/uuidv7.ts";

test("uuidv7() grows strictly within the process, however many are made in a millisecond", () => {
  let last = "";
  for (let made = 0; made < 50_000; made++) {
    const id = uuidv7();
    assert.ok(id > last, `${id} after ${last}`);
    last = id;
  }
});

test("uuidv7() grows when the clock goes back", () => {
  const now = Date.now() + 60_000;
  const first = uuidv7(now);
  assert.ok(uuidv7(now - 5_000) > first);
});

test("uuidv7() carries the milliseconds of its making in its first 48 bits", () => {
  const now = Date.now() + 120_000;
  assert.is(parseInt(uuidv7(now).replaceAll("-", "").slice(0, 12), 16), now);
});

test("isExecutionId() is true for what uuidv7() makes and false for anything else", () => {
  for (let made = 0; made < 1_000; made++) assert.ok(isExecutionId(uuidv7()));
  const id = uuidv7();
  const others = ["", "x", `${id} `, `${id}\n`, id.toUpperCase(), id.slice(1), crypto.randomUUID()];
  for (const other of others) assert.not(isExecutionId(other), other);
});

test.run();
