import { test } from "uvu";
import * as assert from "uvu/assert";
import { applyPreferences, parsePrefer } from "../../../src/http/protocol/prefer.ts";

const cases: [string | null, ReturnType<typeof parsePrefer>][] = [
  [null, { respondAsync: false }],
  ["", { respondAsync: false }],
  ["respond-async", { respondAsync: true }],
  ["Respond-Async, WAIT=100", { respondAsync: true, waitSeconds: 100 }],
  ['wait="7"', { respondAsync: false, waitSeconds: 7 }],
  ["wait = 7; foo=bar", { respondAsync: false, waitSeconds: 7 }],
  ["wait=3, wait=9", { respondAsync: false, waitSeconds: 3 }],
  ["wait=-1", { respondAsync: false }],
  ["wait=1.5", { respondAsync: false }],
  ["wait", { respondAsync: false }],
  ["wait=99999999999999", { respondAsync: false }],
  ['note="a, respond-async, b"', { respondAsync: false }],
  ['note="a \\" b, c", wait=2', { respondAsync: false, waitSeconds: 2 }],
  ["handling=lenient, return=minimal, wait=0", { respondAsync: false, waitSeconds: 0 }],
  ['=;,,"', { respondAsync: false }],
];

for (const [header, expected] of cases) {
  test(`parsePrefer() reads ${JSON.stringify(header)}`, () => assert.equal(parsePrefer(header), expected));
}

test("parsePrefer() takes time in proportion to a hostile header", () => {
  // In proportion to its square it would take hours.
  parsePrefer(`${'"'.repeat(2_000_000)},${",".repeat(2_000_000)}`);
  parsePrefer(",".repeat(999));
});

test("applyPreferences() bounds the wait and says what it applied", () => {
  const bounds = { defaultSeconds: 30, maxSeconds: 30 };
  assert.equal(applyPreferences({ respondAsync: false }, bounds), { waitSeconds: 30 });
  assert.equal(applyPreferences({ respondAsync: false, waitSeconds: 90 }, bounds), {
    waitSeconds: 30,
    preferenceApplied: "wait=30",
  });
  assert.equal(applyPreferences({ respondAsync: true }, bounds), {
    waitSeconds: 0,
    preferenceApplied: "respond-async",
  });
  assert.equal(applyPreferences({ respondAsync: true, waitSeconds: 5 }, bounds), {
    waitSeconds: 5,
    preferenceApplied: "respond-async, wait=5",
  });
});

test.run();
