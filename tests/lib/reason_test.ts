import { test } from "uvu";
import * as assert from "uvu/assert";
import { causesOf, reasonOf } from "../../src/lib/reason.ts";

test("reasonOf() gives the innermost message", () => {
  const inner = new Error("connect ECONNREFUSED 127.0.0.1:1");
  assert.is(reasonOf(inner), inner.message);
  assert.is(reasonOf(new TypeError("fetch failed", { cause: inner })), inner.message);
  assert.is(
    reasonOf(new TypeError("fetch failed", { cause: new AggregateError([inner, new Error("b")]) })),
    inner.message,
  );
});

test("reasonOf() passes over empty messages, and takes what is no error as it is", () => {
  assert.is(reasonOf(new Error("outer", { cause: new Error("") })), "outer");
  assert.is(reasonOf(new AggregateError([], "none left")), "none left");
  assert.is(reasonOf("a text"), "a text");
  assert.is(reasonOf(undefined), "undefined");
});

test("causesOf() ends where an error is its own cause", () => {
  const error: Error = new Error("a");
  error.cause = error;
  assert.is(causesOf(error).length, 10);
  assert.is(reasonOf(error), "a");
});

test.run();
