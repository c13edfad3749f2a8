/**
 * A FleetingMap behaves as a Map does.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FleetingMap } from "../../src/lib/fleeting_map.ts";

const key = fc.integer({ min: 0, max: 5 });

test("FleetingMap is a Map: the same members in the same order after whatever was done", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("set" as const), key }),
    fc.record({ do: fc.constant("delete" as const), key }),
    fc.record({ do: fc.constant("clear" as const), key }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const map = new FleetingMap<number, { n: number }>();
    const model = new Map<number, { n: number }>();
    for (const [n, { do: what, key }] of steps.entries()) {
      if (what === "clear") {
        map.clear();
        model.clear();
      } else if (what === "delete") assert.is(map.delete(key), model.delete(key));
      else {
        const value = { n };
        map.set(key, value);
        model.set(key, value);
      }
      assert.is(map.get(key), model.get(key));
      assert.is(map.has(key), model.has(key));
      assert.is(map.size, model.size);
      assert.equal([...map], [...model]);
      assert.equal([...map.keys()], [...model.keys()]);
      assert.equal([...map.values()], [...model.values()]);
    }
  }));
});

test("FleetingMap may change while it is gone through", () => {
  const map = new FleetingMap<number, object>();
  for (let i = 0; i < 3; i++) map.set(i, {});
  const seen: number[] = [];
  for (const [i] of map) {
    seen.push(i);
    map.delete(i);
    map.delete(1);
    if (i === 0) map.set(3, {});
  }
  assert.equal(seen, [0, 2, 3]);
});

test.run();
