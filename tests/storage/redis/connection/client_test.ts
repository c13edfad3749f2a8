import { test } from "uvu";
import * as assert from "uvu/assert";
import { makeClient } from "../../../../src/storage/redis/connection/client.ts";

const { getPrototypeOf } = Object;

test("makeClient() builds the client's class once, whatever the options: reconnecting must cost next to nothing", () => {
  const [a, b] = ["a", "b"].map((name) => makeClient({ url: `redis://127.0.0.1:1/${name.length}`, name }));
  assert.is.not(a, b);
  // Each client is an object of its own over an instance of the class.
  assert.is(getPrototypeOf(getPrototypeOf(a)), getPrototypeOf(getPrototypeOf(b)));
  assert.type(a!.json.set, "function");
});

test.run();
