import { test } from "uvu";
import * as assert from "uvu/assert";
import { compileCron, isTimeZone } from "../../src/lib/cron.ts";

/** Zones that set their clocks, what runs there, from when on, and the UTC times at which it does. */
const TABLE:
  readonly (readonly [what: string, pattern: string, zone: string, from: string, times: readonly string[]])[] = [
    ["a time in the gap comes once, after it", "30 2 * * *", "America/New_York", "2026-03-07T12:00Z", [
      "2026-03-08T07:00",
      "2026-03-09T06:30",
    ]],
    ["so it does where the gap is Berlin's", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", [
      "2026-03-29T01:00",
      "2026-03-30T00:30",
    ]],
    ["a gap of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T10:00Z", [
      "2026-10-03T15:30",
      "2026-10-04T15:15",
    ]],
    ["a fixed time in the overlap comes once", "30 1 * * *", "America/New_York", "2026-10-31T12:00Z", [
      "2026-11-01T05:30",
      "2026-11-02T06:30",
    ]],
    ["also in an overlap of half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T10:00Z", [
      "2026-04-04T14:45",
      "2026-04-05T15:15",
    ]],
    ["what comes every hour goes on through the gap", "0 * * * *", "America/New_York", "2026-03-08T05:30Z", [
      "2026-03-08T06:00",
      "2026-03-08T07:00",
      "2026-03-08T08:00",
    ]],
    ["and through both hours of the overlap", "0 * * * *", "America/New_York", "2026-11-01T04:30Z", [
      "2026-11-01T05:00",
      "2026-11-01T06:00",
      "2026-11-01T07:00",
    ]],
    [
      "every quarter of an hour through Lord Howe's overlap",
      "*/15 * * * *",
      "Australia/Lord_Howe",
      "2026-04-04T14:40Z",
      [
        "2026-04-04T14:45",
        "2026-04-04T15:00",
        "2026-04-04T15:15",
        "2026-04-04T15:30",
        "2026-04-04T15:45",
      ],
    ],
    ["Dublin, whose winter time is the one that is set", "30 1 * * *", "Europe/Dublin", "2026-10-24T12:00Z", [
      "2026-10-25T00:30",
      "2026-10-26T01:30",
    ]],
    ["an offset of three quarters", "0 9 * * *", "Asia/Kathmandu", "2026-05-01T00:00Z", ["2026-05-01T03:15"]],
    ["the last day of a month", "0 0 L * *", "UTC", "2026-02-01T00:00Z", ["2026-02-28T00:00", "2026-03-31T00:00"]],
    ["a leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00"]],
    ["seconds in a sixth field", "30 0 0 * * *", "UTC", "2026-01-01T00:00Z", ["2026-01-01T00:00:30"]],
    ["a nickname", "@daily", "Asia/Tokyo", "2026-01-01T00:00Z", ["2026-01-01T15:00"]],
  ];

for (const [what, pattern, zone, from, times] of TABLE) {
  test(`compileCron(): ${what} (${pattern} ${zone})`, () => {
    const next = compileCron(pattern, zone);
    let time = Date.parse(from.replace("Z", ":00Z"));
    for (const expected of times) {
      time = next(time)!;
      assert.is(new Date(time).toISOString(), `${expected.padEnd(19, ":00")}.000Z`);
    }
  });
}

test("compileCron() has no time for a day that no year has", () => {
  assert.is(compileCron("0 0 30 2 *", "UTC")(0), undefined);
});

test("compileCron() says what it cannot read", () => {
  for (
    const [pattern, zone, message] of [
      ["61 * * * *", "UTC", /^Cannot read "61 \* \* \* \*": /],
      ["* * *", "UTC", "The pattern has neither five fields nor six"],
      ["2026-01-01T00:00:00", "UTC", "The pattern has neither five fields nor six"],
      ["@sometimes", "UTC", /^Cannot read "@sometimes": /],
      ["* * * * *", "Mars/Base", '"Mars/Base" is no IANA time zone'],
      [`${"*".repeat(300)}`, "UTC", "The pattern is longer than 256 characters"],
    ] as const
  ) {
    assert.throws(() => compileCron(pattern, zone), (error: Error) => {
      assert.instance(error, RangeError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("isTimeZone() takes names and no offsets", () => {
  assert.is(isTimeZone("Australia/Lord_Howe"), true);
  for (const name of ["+02:00", "", "Nowhere", "UTC\0"]) assert.is(isTimeZone(name), false, name);
});

test.run();
