import { test } from "uvu";
import * as assert from "uvu/assert";
import { readBounded } from "../../src/lib/bounded_body.ts";

/** A body of parts; `onCancel` hears that the reader wants no more. */
function bodyOf(parts: number[], onCancel: (reason: unknown) => void = () => {}): ReadableStream<Uint8Array> {
  const rest = parts.values();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = rest.next();
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value).fill(7));
    },
    cancel: onCancel,
  }, { highWaterMark: 0 });
}

const { signal } = new AbortController();
const tooLarge = () => new RangeError("too large");

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => undefined, (error) => error);
}

test("readBounded() reads a body of just the limit, in parts or none", async () => {
  const seen: number[] = [];
  const onPart = (bytes: number) => void seen.push(bytes);
  const bytes = await readBounded(bodyOf([1, 70_000, 99_999]), { limitBytes: 170_000, tooLarge, signal, onPart });
  assert.is(bytes.length, 170_000);
  assert.ok(bytes.every((byte) => byte === 7));
  assert.equal(seen, [1, 70_000, 99_999]);
  assert.is((await readBounded(null, { limitBytes: 1, tooLarge, signal })).length, 0);
  assert.is((await readBounded(bodyOf([]), { limitBytes: 1, tooLarge, signal })).length, 0);
});

test("readBounded() cancels a body that is larger, before the part that is too much is told", async () => {
  let cancelled = false;
  const seen: number[] = [];
  const body = bodyOf([10, 1, 1], () => cancelled = true);
  const onPart = (bytes: number) => void seen.push(bytes);
  assert.instance(await rejection(readBounded(body, { limitBytes: 10, tooLarge, signal, onPart })), RangeError);
  assert.ok(cancelled);
  assert.equal(seen, [10]);
});

test("readBounded() ends with the signal's reason, though the body never comes", async () => {
  const reason = new Error("enough");
  for (const when of ["before", "while"] as const) {
    const abort = new AbortController();
    const silent = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
    if (when === "before") abort.abort(reason);
    else setTimeout(() => abort.abort(reason), 1);
    assert.is(await rejection(readBounded(silent, { limitBytes: 1, tooLarge, signal: abort.signal })), reason, when);
  }
});

test("readBounded() cancels the body when it is told that there is no room for a part", async () => {
  let cancelled = false;
  const full = new Error("full");
  const onPart = () => {
    throw full;
  };
  const body = bodyOf([1, 1], () => cancelled = true);
  assert.is(await rejection(readBounded(body, { limitBytes: 9, tooLarge, signal, onPart })), full);
  assert.ok(cancelled);
});

test.run();
